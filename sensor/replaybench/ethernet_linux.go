package main

import (
	"os"
	"os/signal"
	"syscall"

	"github.com/google/gopacket/pcapgo"
)

// ethernetLoop is the plain gopacket loop on an interface, over pcapgo's AF_PACKET
// handle, until SIGTERM.
func ethernetLoop(name string) (n int, err error) {
	h, err := pcapgo.NewEthernetHandle(name)
	if err != nil {
		return 0, err
	}
	ending := make(chan os.Signal, 1)
	signal.Notify(ending, syscall.SIGTERM)
	go func() {
		<-ending
		h.Close()
	}()
	heads := newHeaders()
	for {
		data, _, err := h.ZeroCopyReadPacketData()
		if err != nil {
			return n, nil // closed
		}
		heads.decode(data)
		n++
	}
}
