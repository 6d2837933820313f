//go:build !linux

package main

import "errors"

func ethernetLoop(string) (int, error) { return 0, errors.New("live capture needs Linux") }
