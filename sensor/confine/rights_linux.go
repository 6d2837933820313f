package confine

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
	"kernel.org/pub/linux/libs/security/libcap/psx"
)

// dropRights takes the way to new rights, then the rights. Each call goes to all
// threads (psx); a thread that is started later has what its maker has.
func dropRights(name string, r *Report) error {
	if err := prctlAll(unix.PR_SET_NO_NEW_PRIVS, 1, 0); err != nil {
		return fmt.Errorf("no_new_privs: %w", err)
	}
	r.NoNewPrivs = true
	var err error
	if r.Bounding, err = dropBounding(); err != nil {
		return err
	}
	// Before the user changes, so that the change takes the capabilities.
	if err := prctlAll(unix.PR_SET_KEEPCAPS, 0, 0); err != nil && !errors.Is(err, unix.EPERM) { // EPERM: locked, in whichever state
		return fmt.Errorf("keepcaps: %w", err)
	}
	if name != "" {
		if err := become(name); err != nil {
			return err
		}
		r.User = name
	}
	if err := setCapabilities(0); err != nil {
		return fmt.Errorf("capabilities: %w", err)
	}
	return nil
}

// prctlAll is prctl(2) in all threads.
func prctlAll(option int, arg2, arg3 uintptr) error {
	if _, _, errno := psx.Syscall6(unix.SYS_PRCTL, uintptr(option), arg2, arg3, 0, 0, 0); errno != 0 {
		return errno
	}
	return nil
}

// dropBounding empties the bounding set and returns how many stay in it. Only
// CAP_SETPCAP may empty it, which a service that was given three capabilities
// has not; what is left there is of no use to a thread with no_new_privs.
func dropBounding() (left int, err error) {
	for c := uintptr(0); ; c++ {
		in, _, errno := unix.RawSyscall(unix.SYS_PRCTL, unix.PR_CAPBSET_READ, c, 0)
		if errno != 0 { // EINVAL: the kernel has no such capability, nor later ones
			return left, nil
		}
		if in == 0 {
			continue
		}
		switch err := prctlAll(unix.PR_CAPBSET_DROP, c, 0); {
		case errors.Is(err, unix.EPERM):
			left++
		case err != nil:
			return left, fmt.Errorf("bounding set, capability %d: %w", c, err)
		}
	}
}

// setCapabilities makes the effective, permitted and inheritable sets of all
// threads hold the capabilities in mask. The kernel takes from the ambient set
// what the others lose (capabilities(7)).
func setCapabilities(mask uint64) error {
	head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	lo, hi := uint32(mask), uint32(mask>>32)
	sets := [2]unix.CapUserData{{Effective: lo, Permitted: lo, Inheritable: lo}, {Effective: hi, Permitted: hi, Inheritable: hi}}
	_, _, errno := psx.Syscall3(unix.SYS_CAPSET, uintptr(unsafe.Pointer(&head)), uintptr(unsafe.Pointer(&sets)), 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// become changes to the user and its groups. The syscall package does it in all
// threads.
func become(name string) error {
	u, err := user.Lookup(name)
	if err != nil {
		return err
	}
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		return fmt.Errorf("user %s: %w", name, err)
	}
	if os.Geteuid() == uid {
		return nil
	}
	if os.Geteuid() != 0 {
		return fmt.Errorf("only root can become user %s, and this is user id %d", name, os.Geteuid())
	}
	gid, err := strconv.Atoi(u.Gid)
	if err != nil {
		return fmt.Errorf("user %s: %w", name, err)
	}
	ids, err := u.GroupIds()
	if err != nil {
		return fmt.Errorf("groups of user %s: %w", name, err)
	}
	groups := make([]int, len(ids))
	for i, id := range ids {
		if groups[i], err = strconv.Atoi(id); err != nil {
			return fmt.Errorf("groups of user %s: %w", name, err)
		}
	}
	if err := syscall.Setgroups(groups); err != nil {
		return fmt.Errorf("groups of user %s: %w", name, err)
	}
	if err := syscall.Setresgid(gid, gid, gid); err != nil {
		return fmt.Errorf("group of user %s: %w", name, err)
	}
	if err := syscall.Setresuid(uid, uid, uid); err != nil {
		return fmt.Errorf("user %s: %w", name, err)
	}
	return nil
}
