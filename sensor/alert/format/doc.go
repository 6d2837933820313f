// Package format writes alerts: pure functions of alerts and a summary, no
// state and no clock. eve.go is for machines; table.go, detail.go and page.go
// are for a person at a terminal. Whatever stands in a name or a rule file,
// nothing but printable ASCII and the colours of this package reaches either.
// It never decides what is shown, only how.
package format
