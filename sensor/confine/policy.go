package confine

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Policy names what the process may still do. Paths must exist and are taken with
// all that is below them now and later; see Reach for those that may be replaced.
// Nothing may be executed.
type Policy struct {
	ReadOnly  []string // files and folders
	ReadWrite []string // files and folders; files may be made, renamed within their folder, and removed

	// ConnectTCP are the ports of other machines to connect to; nil is any. Port
	// 53 is always among them: an answer of DNS that is too long comes over TCP.
	ConnectTCP []uint16
	// BindTCP are the ports to listen on anew. Sockets that listen already stay.
	BindTCP []uint16
	// AbstractUnix lets the process connect to abstract Unix sockets of others,
	// as NOTIFY_SOCKET may be one (systemd.Abstract).
	AbstractUnix bool

	// User is whom a process with user id 0 becomes, with its groups; "" is to
	// stay. Files that only root may read must be open by then.
	User string
}

// Report says what Drop did, for a line in the log.
type Report struct {
	NoNewPrivs bool     // no program that is executed gains a right
	User       string   // whom the process became; "" for nobody else
	Bounding   int      // capabilities that stay in the bounding set for want of CAP_SETPCAP; out of reach by NoNewPrivs
	Landlock   int      // ABI of Landlock that is in force; 0 for none
	Missing    []string // what could not be taken away, and what it would need
}

// shared are folders that hold far more than one program's files: to let the
// process read all of /etc for one file in it would not be much of a confinement.
var shared = []string{"/", "/boot", "/dev", "/etc", "/home", "/lib", "/mnt", "/opt", "/proc", "/root", "/run",
	"/srv", "/sys", "/usr", "/usr/lib", "/usr/local", "/usr/local/etc", "/usr/share", "/var", "/var/lib"}

// Reach returns what to allow so that paths can be opened now and later. A rule of
// Landlock holds for a file, not for its name: a secret, a certificate or a log that is
// replaced by renaming another over it would be out of reach. So a file stands
// for its folder, one that is not there yet for the nearest folder above that
// is, and a symbolic link for the folders of both ends; a folder stands for
// itself. pinned are those paths whose folder is one that everybody uses, as
// /etc: allowed is the present file alone, if there is one, and to replace it needs
// a restart.
func Reach(paths ...string) (allow, pinned []string) {
	for _, path := range paths {
		path, err := filepath.Abs(path)
		if err != nil {
			pinned = append(pinned, path)
			continue
		}
		one, pin := reach(path)
		if pin {
			pinned = append(pinned, path)
		}
		allow = append(allow, one...)
	}
	slices.Sort(allow)
	slices.Sort(pinned)
	return slices.Compact(allow), slices.Compact(pinned)
}

func reach(path string) (allow []string, pinned bool) {
	folder := func(name string) {
		if dir := filepath.Dir(name); slices.Contains(shared, dir) {
			pinned = true
		} else {
			allow = append(allow, dir)
		}
	}
	target, err := filepath.EvalSymlinks(path)
	if err != nil {
		above := filepath.Dir(path)
		for !isDir(above) && above != filepath.Dir(above) {
			above = filepath.Dir(above)
		}
		if slices.Contains(shared, above) {
			return nil, true
		}
		return []string{above}, false
	}
	if info, err := os.Lstat(path); err == nil && info.Mode()&os.ModeSymlink != 0 {
		folder(path)
	}
	if isDir(target) {
		return append(allow, path), pinned
	}
	folder(target)
	if pinned {
		allow = append(allow, path)
	}
	return allow, pinned
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// system is what the Go runtime and library read behind our back: resolver,
// time zones, the system's certificates (crypto/x509, root_linux.go), and the
// process's own figures for metrics.
var system = []string{
	"/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/services", "/etc/localtime", "/usr/share/zoneinfo",
	"/etc/ssl/certs", "/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem", "/usr/share/ca-certificates", "/usr/local/share/ca-certificates",
	"/etc/pki/tls/certs", "/etc/pki/tls/cacert.pem", "/etc/pki/ca-trust/extracted/pem",
	"/proc/self", "/sys/class/net", "/sys/devices/virtual/net",
}

// System returns those paths of the operating system that a program in Go reads
// for names, time zones and certificates, for Policy.ReadOnly. A resolv.conf that is a
// link, as systemd-resolved makes it, may be replaced; one that is a file in /etc
// may be rewritten, and to replace it needs a restart.
func System() []string {
	var allow []string
	for _, path := range slices.Concat(system, certificates()) {
		if _, err := os.Stat(path); err != nil {
			continue
		}
		more, _ := Reach(path)
		allow = append(allow, more...)
	}
	slices.Sort(allow)
	return slices.Compact(allow)
}

// certificates are the places that the environment names to crypto/x509.
func certificates() []string {
	paths := filepath.SplitList(os.Getenv("SSL_CERT_DIR"))
	if file := os.Getenv("SSL_CERT_FILE"); file != "" {
		paths = append(paths, file)
	}
	return slices.DeleteFunc(paths, func(p string) bool { return strings.TrimSpace(p) == "" })
}
