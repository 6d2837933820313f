//go:build !linux

package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "cable: TAP interfaces and network namespaces are Linux's")
	os.Exit(1)
}
