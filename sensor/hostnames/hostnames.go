package hostnames

import (
	"container/list"
	"net/netip"
)

// Source is what a name was read from. A greater one is trusted more.
type Source uint8

const (
	NetBIOS  Source = iota + 1 // a registration, an answer or a node status of the host itself
	MDNS                       // the host's announcement of its own address
	Kerberos                   // the machine account, or the NetBIOS name, in a request for a ticket
	DHCP                       // the name that the client gave, or was given, with the address
)

func (s Source) String() string { return [...]string{"", "netbios", "mdns", "kerberos", "dhcp"}[s] }

// Client is a DHCP client within one exchange: the number of that, and the client's
// hardware address.
type Client struct {
	XID    uint32
	HWType uint8
	HWLen  uint8
	HW     [16]byte
}

// Sighting is one telling of a name.
type Sighting struct {
	Time   int64 // packet time, nanoseconds
	Source Source
	// Addr is whose name it is. Of DHCP it may be missing: then Client has told its
	// name and waits for an address.
	Addr netip.Addr
	// Name is as Clean or CleanZone make it. Of DHCP it may be empty: then Client was
	// given Addr, and has told its name before, or has none.
	Name   string
	Client Client // with DHCP only
}

// Bounds of a Table: the hosts of a large site, and the DHCP clients that wait for
// their addresses at once. Both are some megabytes at most.
const (
	MaxHosts   = 16_384
	MaxClients = 1024
)

// Life is how long a name is believed after it was told last, in nanoseconds of
// packet time: leases of addresses are renewed sooner, as a rule.
const Life = int64(24 * 3600e9)

// wait is how long a client may wait for its address, in nanoseconds: the longest
// that RFC 2131 section 4.1 has it repeat its request.
const wait = int64(64e9)

// Stats counts what a Table did. All values but Hosts only grow.
type Stats struct {
	Hosts   int    // that have a name now
	Told    uint64 // sightings
	Weaker  uint64 // names that gave way to one of a better source
	Crowded uint64 // names and clients forgotten because there were too many
}

// Table holds the names of hosts.
type Table struct {
	hosts   map[netip.Addr]*list.Element
	seen    *list.List // of *host, the longest silent first
	clients map[Client]*list.Element
	waiting *list.List // of *client, the longest waiting first
	now     int64      // the latest packet time
	Stats   Stats
}

type host struct {
	addr   netip.Addr
	name   string
	source Source
	time   int64
	client Client // without its exchange; zero where DHCP told nothing
}

type client struct {
	Client
	name string
	time int64
}

// New returns an empty table.
func New() *Table {
	return &Table{
		hosts: map[netip.Addr]*list.Element{}, seen: list.New(),
		clients: map[Client]*list.Element{}, waiting: list.New(),
	}
}

// Lookup returns the name of an address at a packet time, and what it was read
// from; nothing where there is none.
func (t *Table) Lookup(addr netip.Addr, now int64) (string, Source) {
	e := t.hosts[addr]
	if e == nil {
		return "", 0
	}
	h := e.Value.(*host)
	if now-h.time > Life {
		return "", 0
	}
	return h.name, h.source
}

// Add takes a sighting. Those of one network come in packet order, or nearly.
func (t *Table) Add(s *Sighting) {
	t.Stats.Told++
	t.now = max(t.now, s.Time)
	t.expire()
	name := s.Name
	if s.Source == DHCP && !s.Addr.IsValid() {
		t.ask(s)
		return
	}
	if s.Source == DHCP && name == "" {
		if e := t.clients[s.Client]; e != nil {
			name = e.Value.(*client).name
		}
	}
	t.set(s, name)
	t.Stats.Hosts = len(t.hosts)
}

// set gives an address a name. An address that DHCP gave to another client is no
// longer who it was, whatever is known of the new one.
func (t *Table) set(s *Sighting, name string) {
	owner := s.Client
	owner.XID = 0
	e := t.hosts[s.Addr]
	if e != nil && s.Source == DHCP && e.Value.(*host).client != owner && (name != "" || e.Value.(*host).client != Client{}) {
		t.forget(e)
		e = nil
	}
	if name == "" {
		return
	}
	if e == nil {
		if len(t.hosts) == MaxHosts {
			t.Stats.Crowded++
			t.forget(t.seen.Front())
		}
		t.hosts[s.Addr] = t.seen.PushBack(&host{s.Addr, name, s.Source, s.Time, owner})
		return
	}
	h := e.Value.(*host)
	if s.Source < h.source {
		t.Stats.Weaker++
		return
	}
	h.name, h.source, h.time = name, s.Source, max(h.time, s.Time)
	if s.Source == DHCP {
		h.client = owner
	}
	t.seen.MoveToBack(e)
}

// ask keeps the name of a client until it is given an address.
func (t *Table) ask(s *Sighting) {
	if s.Name == "" {
		return
	}
	if e := t.clients[s.Client]; e != nil {
		c := e.Value.(*client)
		c.name, c.time = s.Name, s.Time
		t.waiting.MoveToBack(e)
		return
	}
	if len(t.clients) == MaxClients {
		t.Stats.Crowded++
		t.leave(t.waiting.Front())
	}
	t.clients[s.Client] = t.waiting.PushBack(&client{s.Client, s.Name, s.Time})
}

// expire forgets what is too old.
func (t *Table) expire() {
	for e := t.waiting.Front(); e != nil && t.now-e.Value.(*client).time > wait; e = t.waiting.Front() {
		t.leave(e)
	}
	for e := t.seen.Front(); e != nil && t.now-e.Value.(*host).time > Life; e = t.seen.Front() {
		t.forget(e)
	}
}

func (t *Table) forget(e *list.Element) {
	delete(t.hosts, e.Value.(*host).addr)
	t.seen.Remove(e)
}

func (t *Table) leave(e *list.Element) {
	delete(t.clients, e.Value.(*client).Client)
	t.waiting.Remove(e)
}
