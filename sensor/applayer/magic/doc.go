// Package magic compares the first bytes of a flow's directions with byte
// patterns and says which hold. detect compiles the payload patterns of the
// rules into a Matcher; the worker offers it the ordered first bytes of a TCP
// direction, whatever segments they came in, and the first datagrams of a UDP
// one. It knows no rules, keeps no state between calls, allocates nothing when
// matching, and imports none of our packages.
package magic
