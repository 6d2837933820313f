// Package format writes alerts: pure functions of alerts and a summary, no
// state and no clock. eve is for machines, the table for a person at a
// terminal. Names from the wire reach it as printable ASCII; text of rule files
// is made so here. It never decides what is shown, only how.
package format
