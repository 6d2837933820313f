package shunt

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// Shunt is a loaded program with its maps. Its methods may be called from
// several goroutines, but for Close, which comes last.
type Shunt struct {
	prog  *ebpf.Program
	flows *ebpf.Map // Key -> index of its slot; an entry never changes
	slots *ebpf.Map
	stats *ebpf.Map
	mem   *ebpf.Memory // of slots

	mu      sync.Mutex
	key     [keySize]byte
	index   [4]byte
	slot    [slotSize]byte
	free    []uint32 // a ring: the slot freed longest ago is used next
	head, n int
	retired int // how many of the spare slots a flow had
	late    uint64
	refused uint64
}

// Load makes the maps and loads the program. It takes CAP_BPF and no other
// capability. The error contains ErrRights,
// ErrKernel or ErrFilter where one of them is why, and the verifier's log where that refused
// the program (a *ebpf.VerifierError).
func Load(cfg Config) (*Shunt, error) {
	if err := cfg.defaults(); err != nil {
		return nil, err
	}
	s := &Shunt{free: make([]uint32, cfg.Flows+spare)}
	err := s.makeMaps(cfg)
	if errors.Is(err, unix.EPERM) {
		err = s.withMemory(cfg)
	}
	if err == nil {
		s.mem, err = s.slots.Memory()
	}
	if err == nil {
		err = s.makeProgram(cfg)
	}
	if err != nil {
		s.Close()
		return nil, explain(err)
	}
	for i := range s.free {
		s.free[i] = uint32(i)
	}
	s.n = cfg.Flows
	return s, nil
}

func (s *Shunt) makeMaps(cfg Config) error {
	for _, m := range []struct {
		to   **ebpf.Map
		spec ebpf.MapSpec
	}{
		{&s.flows, ebpf.MapSpec{Name: "shunt_flows", Type: ebpf.Hash, KeySize: keySize, ValueSize: 4, MaxEntries: uint32(cfg.Flows)}},
		{&s.slots, ebpf.MapSpec{Name: "shunt_slots", Type: ebpf.Array, KeySize: 4, ValueSize: slotSize, MaxEntries: uint32(cfg.Flows + spare), Flags: unix.BPF_F_MMAPABLE}},
		{&s.stats, ebpf.MapSpec{Name: "shunt_stats", Type: ebpf.PerCPUArray, KeySize: 4, ValueSize: statSize, MaxEntries: 1}},
	} {
		if *m.to != nil {
			continue
		}
		made, err := ebpf.NewMap(&m.spec)
		if err != nil {
			return err
		}
		*m.to = made
	}
	return nil
}

func (s *Shunt) makeProgram(cfg Config) error {
	code, err := program(mapFDs{s.flows.FD(), s.slots.FD(), s.stats.FD()}, cfg)
	if err != nil {
		return err
	}
	s.prog, err = ebpf.NewProgram(&ebpf.ProgramSpec{
		Name:         "rmmwatch_shunt",
		Type:         ebpf.SocketFilter,
		Instructions: code,
		License:      "Apache-2.0", // it calls nothing that is for GPL programs only
	})
	return err
}

// withMemory makes the maps without the limit of locked memory, under which
// Linux before 5.11 books them. Where that does not help the limit is put back.
func (s *Shunt) withMemory(cfg Config) error {
	var old unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_MEMLOCK, &old); err != nil {
		return unix.EPERM
	}
	none := unix.Rlimit{Cur: unix.RLIM_INFINITY, Max: unix.RLIM_INFINITY}
	if err := unix.Setrlimit(unix.RLIMIT_MEMLOCK, &none); err != nil {
		return unix.EPERM
	}
	err := s.makeMaps(cfg)
	if err != nil {
		err = errors.Join(err, unix.Setrlimit(unix.RLIMIT_MEMLOCK, &old))
	}
	return err
}

// explain says in the operator's terms why the kernel refused.
func explain(err error) error {
	var refused *ebpf.VerifierError
	switch {
	case errors.Is(err, ErrFilter):
		return fmt.Errorf("shunt: %w", err)
	case errors.Is(err, unix.EPERM):
		return fmt.Errorf("shunt: %w (CAP_BPF; before Linux 5.11 also LimitMEMLOCK=infinity): %w", ErrRights, err)
	case errors.Is(err, unix.ENOSYS), errors.Is(err, ebpf.ErrNotSupported):
		return fmt.Errorf("shunt: %w: %w", ErrKernel, err)
	case errors.As(err, &refused):
		return fmt.Errorf("shunt: %w: its verifier refused the program: %w", ErrKernel, err)
	}
	return fmt.Errorf("shunt: loading the program: %w", err)
}

// FD is the program's file descriptor, for SO_ATTACH_BPF. It stays the Shunt's.
func (s *Shunt) FD() int { return s.prog.FD() }

// Attach puts the program on an AF_PACKET socket of type SOCK_RAW that is bound
// to an Ethernet interface, in place of the filter that it has. It takes no capability.
func (s *Shunt) Attach(socket int) error {
	if err := unix.SetsockoptInt(socket, unix.SOL_SOCKET, unix.SO_ATTACH_BPF, s.FD()); err != nil {
		return fmt.Errorf("shunt: attaching to the socket: %w", err)
	}
	return nil
}

// Add keeps the packets of a flow in the kernel from now on. Errors are
// ErrFull, ErrExists, ErrPasses, and what the kernel says.
func (s *Shunt) Add(k Key) error {
	if !k.valid() {
		return ErrPasses
	}
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &now); err != nil {
		return fmt.Errorf("shunt: reading the clock: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.n == 0 {
		s.refused++
		return ErrFull
	}
	slot := s.free[s.head]
	clear(s.slot[:])
	binary.NativeEndian.PutUint64(s.slot[slotLast:], uint64(now.Nano()))
	if !s.write(slot, 0, s.slot[:]) {
		return errors.New("shunt: the counts cannot be written: used after Close")
	}
	k.put(&s.key)
	binary.NativeEndian.PutUint32(s.index[:], slot)
	if err := s.flows.Update(&s.key, &s.index, ebpf.UpdateNoExist); err != nil {
		if errors.Is(err, ebpf.ErrKeyExist) {
			return ErrExists
		}
		return fmt.Errorf("shunt: adding a flow: %w", err)
	}
	s.head = (s.head + 1) % len(s.free)
	s.n--
	return nil
}

// Take returns what was counted of a flow since Add, and whether it is in the
// map. It changes nothing.
func (s *Shunt) Take(k Key) (Counts, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	slot, ok := s.find(k)
	if !ok {
		return Counts{}, false
	}
	return s.read(slot), true
}

// Remove takes a flow out, so that its packets pass again, and returns all that
// was counted of it. It reports false for a flow that is not in the map.
//
// A packet whose program ran on another CPU at this very moment, between finding
// the flow and counting, may be missing: Stats.Late has it.
func (s *Shunt) Remove(k Key) (Counts, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	slot, ok := s.find(k)
	if !ok {
		return Counts{}, false
	}
	closed := s.read(slot).Closed
	// Closed first: what already runs has the time of the next call to finish.
	if !s.write(slot, slotClosed, yes[:]) || s.flows.Delete(&s.key) != nil {
		return Counts{}, false
	}
	c := s.read(slot)
	c.Closed = closed
	s.retire(slot, c)
	return c, true
}

var yes = [4]byte{1, 1, 1, 1}

// find looks up the slot of a flow. The caller holds the lock.
func (s *Shunt) find(k Key) (uint32, bool) {
	k.put(&s.key)
	if err := s.flows.Lookup(&s.key, &s.index); err != nil {
		return 0, false
	}
	return binary.NativeEndian.Uint32(s.index[:]), true
}

// Stats adds up what all CPUs counted.
func (s *Shunt) Stats() (Stats, error) {
	var perCPU [][]byte
	if err := s.stats.Lookup(uint32(0), &perCPU); err != nil {
		return Stats{}, fmt.Errorf("shunt: reading the statistics: %w", err)
	}
	var t Stats
	for _, b := range perCPU {
		e := binary.NativeEndian
		t.Passed += e.Uint64(b[statPassed:])
		t.PassedBytes += e.Uint64(b[statPassed+8:])
		t.Dropped += e.Uint64(b[statDropped:])
		t.DroppedBytes += e.Uint64(b[statDropped+8:])
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	t.Refused = s.refused
	t.Late = s.late
	for i := range s.retired {
		t.Late += s.lateOf(s.tail(-1 - i))
	}
	t.Flows = len(s.free) - spare - s.n
	return t, nil
}

// Close gives the maps and the program back. Sockets that the program is
// attached to keep it, with the flows that are in the map: close them first.
func (s *Shunt) Close() error {
	var errs []error
	if s.prog != nil {
		errs = append(errs, s.prog.Close())
	}
	for _, m := range []*ebpf.Map{s.flows, s.slots, s.stats} {
		if m != nil {
			errs = append(errs, m.Close())
		}
	}
	return errors.Join(errs...)
}

// WallOffset is what to add, now, to a time of CLOCK_BOOTTIME for nanoseconds
// since the Unix epoch. Read it anew for each sweep: the wall clock is set now and then.
func WallOffset() (int64, error) {
	var best, width int64
	for range 3 { // of several readings the one that nothing interrupted
		var before, wall, after unix.Timespec
		for _, c := range []struct {
			clock int32
			to    *unix.Timespec
		}{{unix.CLOCK_BOOTTIME, &before}, {unix.CLOCK_REALTIME, &wall}, {unix.CLOCK_BOOTTIME, &after}} {
			if err := unix.ClockGettime(c.clock, c.to); err != nil {
				return 0, fmt.Errorf("shunt: reading the clock: %w", err)
			}
		}
		if w := after.Nano() - before.Nano(); width == 0 || w < width {
			best, width = wall.Nano()-before.Nano()-w/2, w
		}
	}
	return best, nil
}
