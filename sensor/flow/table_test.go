package flow

import (
	"runtime"
	"testing"

	"github.com/rmmwatch/rmmwatch/sensor/decode"
)

// packet makes a TCP or UDP packet of a numbered client.
func packet(proto uint8, client int, flags uint8) *decode.Packet {
	return &decode.Packet{
		Status: decode.StatusTransport, Proto: proto, Flags: flags, Seq: uint32(client) * 7,
		Src: decode.Addr4([]byte{10, byte(client >> 16), byte(client >> 8), byte(client)}), Dst: decode.Addr4([]byte{192, 0, 2, 1}),
		SrcPort: uint16(client%50000 + 1024), DstPort: 443,
	}
}

func reverse(p *decode.Packet) *decode.Packet {
	q := *p
	q.Src, q.Dst, q.SrcPort, q.DstPort = p.Dst, p.Src, p.DstPort, p.SrcPort
	return &q
}

func (t *Table) get(p *decode.Packet, now int64) (*Flow, Dir, bool) {
	return t.Get(t.Locate(p), p, now)
}

func TestBothDirectionsAreOneFlow(t *testing.T) {
	table := New(Config{Flows: 8}, nil)
	p := packet(decode.ProtoTCP, 1, decode.SYN)
	a, da, _ := table.get(p, 0)
	q := reverse(p)
	q.Flags = decode.SYN | decode.ACK
	b, db, _ := table.get(q, 1)
	if a != b || da == db {
		t.Fatalf("two flows, or one direction")
	}
	if a.ClientDir() != da || !a.ClientSure() {
		t.Error("the sender of the SYN is not the client")
	}
	if got := a.Tuple(); got.Client.String() != "10.0.0.1" || got.ServerPort != 443 {
		t.Errorf("tuple %+v", got)
	}
}

// The middle of a flow, one direction only: the well-known port is the server.
func TestClientIsGuessed(t *testing.T) {
	for _, fromServer := range []bool{false, true} {
		table := New(Config{Flows: 8}, nil)
		p := packet(decode.ProtoTCP, 1, decode.ACK)
		if fromServer {
			p = reverse(p)
		}
		f, _, _ := table.get(p, 0)
		if f.ClientSure() || f.Tuple().ServerPort != 443 {
			t.Errorf("from server %v: sure %v, tuple %+v", fromServer, f.ClientSure(), f.Tuple())
		}
	}
}

func TestMirroredCopyCountsOnce(t *testing.T) {
	table := New(Config{Flows: 8}, nil)
	p := packet(decode.ProtoTCP, 1, decode.ACK)
	p.IPID, p.Checksum, p.PayloadLen, p.TTL = 77, 0xbeef, 100, 64
	table.get(p, 1e9)
	p.TTL = 63 // forwarded by a router in between
	f, _, copied := table.get(p, 1e9+1000)
	if !copied {
		t.Error("the copy was counted")
	}
	if up, _ := f.Volume(); up != 100 {
		t.Errorf("volume %d, want 100", up)
	}
	p.IPID++ // a retransmission has its own
	if _, _, copied := table.get(p, 1e9+2000); copied {
		t.Error("a retransmission was taken for a mirrored copy")
	}
	p.IPID--
	if _, _, copied := table.get(p, 5e9); copied {
		t.Error("a packet of four seconds later was taken for a mirrored copy")
	}
}

// A flow that comes back after its time-out with the same datagram as before,
// as mDNS does over IPv6 where there is no IP identification, is a new flow
// with one packet, not a copy of the old one's.
func TestSameDatagramLaterIsNoCopy(t *testing.T) {
	table := New(Config{Flows: 8}, nil)
	p := packet(decode.ProtoUDP, 1, 0)
	p.Payload = []byte("the same question")
	table.get(p, 1e9)
	f, _, copied := table.get(p, 1e9+timeoutUDP+1)
	if up, _ := f.Packets(); copied || up != 1 || table.Stats.Expired != 1 {
		t.Errorf("copied %v, %d packets, %+v", copied, up, table.Stats)
	}
}

func TestPortReuse(t *testing.T) {
	var ended []uint64
	table := New(Config{Flows: 8}, func(f *Flow) { ended = append(ended, f.ID()) })
	p := packet(decode.ProtoTCP, 1, decode.SYN)
	f, d, _ := table.get(p, 1e9)
	first := f.ID()
	f.Mark |= MarkHit
	table.Decide(f, d)
	p.IPID++
	if f, _, _ = table.get(p, 2e9); f.ID() != first {
		t.Error("a repeated SYN began a new flow")
	}
	p.Seq += 5000
	if f, _, _ = table.get(p, 3e9); f.ID() == first || f.Done(d) || f.Mark != 0 {
		t.Error("a SYN with another sequence number did not begin a new flow")
	}
	if len(ended) != 1 || ended[0] != first {
		t.Errorf("ended %v, want %d", ended, first)
	}
	if table.Stats.Reused != 1 || table.Stats.Live != 1 {
		t.Errorf("%+v", table.Stats)
	}
}

func TestIdleFlowsExpire(t *testing.T) {
	table := New(Config{Flows: 8}, nil)
	table.get(packet(decode.ProtoUDP, 1, 0), 0)
	table.Sweep(8, timeoutUDP)
	if table.Stats.Live != 1 {
		t.Fatal("expired too early")
	}
	table.Sweep(8, timeoutUDP+1)
	if table.Stats.Live != 0 || table.Stats.Expired != 1 {
		t.Errorf("%+v", table.Stats)
	}
	f, _, _ := table.get(packet(decode.ProtoUDP, 1, 0), 1e12)
	if f.First() != 1e12 {
		t.Error("the flow kept its old start")
	}
}

// A flood of SYNs fills the table and no more; the flow with payload stays,
// and a new one is still found.
func TestFloodStaysInBudget(t *testing.T) {
	table := New(Config{Flows: 1000, SmallHeads: 16, LargeHeads: 2}, nil)
	real := packet(decode.ProtoTCP, 0xfffff, decode.ACK)
	real.PayloadLen = 10
	f, _, _ := table.get(real, 0)
	id := f.ID()

	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	const flood = 100_000
	for i := range flood {
		table.get(packet(decode.ProtoTCP, i, decode.SYN), int64(i)*1000)
	}
	runtime.ReadMemStats(&after)
	if n := after.Mallocs - before.Mallocs; n > 2*flood {
		t.Errorf("%d allocations", n)
	}
	if table.Stats.Live != 1000 || table.Stats.Evicted != flood+1-1000 {
		t.Errorf("%+v", table.Stats)
	}
	real.Seq++
	if f, _, _ := table.get(real, flood*1000); f.ID() != id {
		t.Error("the flow with payload was evicted by half-open ones")
	}
	chained := 0
	for i := range table.flows {
		if table.flows[i].proto != 0 {
			chained++
		}
	}
	if chained != 1000 {
		t.Errorf("%d flows in use", chained)
	}
}

func TestGetDoesNotAllocate(t *testing.T) {
	table := New(Config{Flows: 1000}, nil)
	p := packet(decode.ProtoTCP, 1, decode.ACK)
	i := 0
	if n := testing.AllocsPerRun(5000, func() {
		p.SrcPort, p.Seq = uint16(i), uint32(i)
		table.get(p, int64(i))
		i++
	}); n != 0 {
		t.Errorf("%v allocations a packet", n)
	}
}

// BenchmarkDecidedFlow is the table's part of a packet of a decided flow: one
// of 200,000 flows at random, in batches as the worker makes them.
func BenchmarkDecidedFlow(b *testing.B) {
	const flows, batch = 200_000, 128
	table := New(Config{Flows: flows}, nil)
	p := *packet(decode.ProtoTCP, 0, decode.ACK)
	at := func(i int) {
		n := i * 7919 % flows
		p.Src = decode.Addr4([]byte{10, byte(n >> 16), byte(n >> 8), byte(n)})
		p.Seq = uint32(i)
	}
	for i := range flows {
		at(i)
		table.get(&p, 0)
	}
	b.ReportAllocs()
	var refs [batch]Ref
	var sum uint64
	i, now := 0, int64(0)
	for b.Loop() {
		if i%batch == 0 {
			for j := range refs {
				at(i + j)
				refs[j] = table.Locate(&p)
			}
			sum += table.Warm(refs[:])
		}
		at(i)
		now += 100
		table.Get(refs[i%batch], &p, now)
		i++
	}
	_ = sum
}

// A flow's VLAN is the outermost one; a priority tag, with the identifier 0, is
// none.
func TestVLANOfAFlow(t *testing.T) {
	for _, c := range []struct {
		tags []uint16
		want uint16
	}{
		{nil, 0}, {[]uint16{7}, 7}, {[]uint16{7, 8}, 7}, {[]uint16{0}, 0}, {[]uint16{0, 8}, 8}, {[]uint16{0, 0, 9, 1}, 9}, {[]uint16{0, 0, 0, 0}, 0},
	} {
		p := packet(decode.ProtoUDP, 1, 0)
		copy(p.VLAN[:], c.tags)
		p.NumVLAN = uint8(len(c.tags))
		f, _, _ := New(Config{Flows: 8}, nil).get(p, 1)
		if f.VLAN != c.want {
			t.Errorf("tags %v: VLAN %d, want %d", c.tags, f.VLAN, c.want)
		}
		p.NumVLAN = 200 // more than are kept
		New(Config{Flows: 8}, nil).get(p, 1)
	}
}
