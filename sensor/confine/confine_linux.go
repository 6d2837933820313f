package confine

import (
	"fmt"
	"os"
	"slices"

	"github.com/landlock-lsm/go-landlock/landlock"
	ll "github.com/landlock-lsm/go-landlock/landlock/syscall"
	"golang.org/x/sys/unix"
)

// Drop takes all rights but the Policy's from every thread of the process, and
// from those that it will start. It is called once. After an error the process must
// end: it has neither its old rights nor the new ones.
func Drop(p Policy) (Report, error) {
	var r Report
	for _, path := range slices.Concat(p.ReadOnly, p.ReadWrite) {
		if _, err := os.Stat(path); err != nil {
			return r, fmt.Errorf("confine: %w: what the policy names must be there; make it first", err)
		}
	}
	// Landlock comes last: it forbids the files that the user is looked up in, and
	// the signals by which threads are told of the rest.
	if err := dropRights(p.User, &r); err != nil {
		return r, fmt.Errorf("confine: %w", err)
	}
	if err := restrict(p, &r); err != nil {
		return r, fmt.Errorf("confine: Landlock: %w", err)
	}
	return r, nil
}

// maxABI is the newest Landlock that we know to be harmless to us. From ABI 9
// connections to Unix sockets are handled too, from 10 UDP: syslog and DNS.
const maxABI = 7

// lacks says from which ABI on Landlock restricts what, and the Linux that has it.
var lacks = []struct {
	abi  int
	what string
}{
	{1, "files are not confined: Landlock is missing (Linux 5.13, lsm=landlock)"},
	{3, "truncating files is not confined (Linux 6.2)"},
	{4, "TCP ports are not confined (Linux 6.7)"},
	{5, "ioctl on devices is not confined (Linux 6.10)"},
	{6, "signals and abstract Unix sockets are not confined (Linux 6.12)"},
}

const (
	readFile   = landlock.AccessFSSet(ll.AccessFSReadFile)
	readFolder = readFile | ll.AccessFSReadDir
	writeFile  = readFile | ll.AccessFSWriteFile | ll.AccessFSTruncate
	// No link, device, pipe or socket is ever made, and moving between folders
	// (refer) would lose Linux 5.13 to 5.18 altogether.
	writeFolder = readFolder | writeFile | ll.AccessFSMakeReg | ll.AccessFSMakeDir | ll.AccessFSRemoveFile | ll.AccessFSRemoveDir
)

// restrict puts the process into a Landlock domain, as far as the kernel can.
func restrict(p Policy, r *Report) error {
	kernel := kernelABI()
	for _, l := range lacks {
		if kernel < l.abi {
			r.Missing = append(r.Missing, l.what)
		}
	}
	if kernel == 0 {
		return nil
	}
	cfg := landlock.V7
	if p.ConnectTCP == nil {
		cfg.HandledAccessNet &^= ll.AccessNetConnectTCP
	}
	if p.AbstractUnix {
		cfg.Scoped &^= ll.ScopeAbstractUnixSocket
	}
	if kernel >= 6 && !signalsWithin() {
		cfg.Scoped &^= ll.ScopeSignal
		r.Missing = append(r.Missing, "signals are not confined: this kernel would keep threads of one process from each other (Linux 6.15)")
	}
	if err := cfg.BestEffort().Restrict(rules(p)...); err != nil {
		return err
	}
	r.Landlock = min(kernel, maxABI)
	return nil
}

func rules(p Policy) []landlock.Rule {
	var all []landlock.Rule
	add := func(path string, file, folder landlock.AccessFSSet) {
		access := file
		if isDir(path) {
			access = folder
		}
		all = append(all, landlock.PathAccess(access, path))
	}
	for _, path := range p.ReadOnly {
		add(path, readFile, readFolder)
	}
	for _, path := range p.ReadWrite {
		add(path, writeFile, writeFolder)
	}
	if p.ConnectTCP != nil {
		all = append(all, landlock.ConnectTCP(53))
		for _, port := range p.ConnectTCP {
			all = append(all, landlock.ConnectTCP(port))
		}
	}
	for _, port := range p.BindTCP {
		all = append(all, landlock.BindTCP(port))
	}
	return all
}

// kernelABI is the kernel's version of Landlock, 0 for none.
func kernelABI() int {
	abi, err := ll.LandlockGetABIVersion()
	if err != nil {
		return 0
	}
	return abi
}

// signalsWithin reports whether the kernel lets threads of one process signal
// each other when each has a domain of its own, as the Go runtime needs it to
// stop a goroutine in a loop. Landlock's erratum 2, mended in Linux 6.15 and
// stable versions before it.
func signalsWithin() bool {
	const errataFlag, erratum2 = 1 << 1, 1 << 1 // landlock_create_ruleset(2): LANDLOCK_CREATE_RULESET_ERRATA
	mended, _, errno := unix.RawSyscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, errataFlag)
	return errno == 0 && mended&erratum2 != 0
}
