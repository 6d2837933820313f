// Package confine takes every right from the running process that it no longer
// needs: capabilities, the way to new ones, and with Landlock all files and ports
// but those that a Policy names. The sensor calls Drop once, when its sockets are
// open and its folders made, and before it reads the first packet. Nothing
// that Drop took can come back; a process that got an error from it must
// end, since some of its rights may be gone and others not. Systems
// other than Linux keep their rights, and the Report says so.
package confine
