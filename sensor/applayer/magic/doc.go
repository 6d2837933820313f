// Package magic compares the first bytes of a flow's directions with byte
// patterns and says which hold. detect compiles the payload patterns of the
// rules into a Matcher; the worker offers it the ordered first bytes of a TCP
// direction, whatever segments they came in, and the first datagrams of a UDP
// one. A pattern is bytes at an offset and what corroborates them within one
// message: its length, a field that tells the length, who spoke first. What
// needs several messages is not its affair: it hands out the four bytes by
// which the caller may compare them. It knows no rules, keeps no state between
// calls, allocates nothing when matching, and imports none of our packages.
package magic
