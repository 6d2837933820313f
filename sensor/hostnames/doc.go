// Package hostnames remembers which address has which name, as the hosts of the
// network tell it themselves in DHCP, Kerberos, mDNS and NetBIOS. The worker
// tells what it saw, the collector of alerts keeps a Table and asks it for the
// host of an alert. A Table is bounded, has packet time for its only clock and is
// the same for the same sightings in the same order. It belongs to one goroutine
// and decides nothing: names are what hosts say of themselves, and anybody on the
// network can say anything.
package hostnames
