// Package format writes alerts: pure functions of alerts and a summary, no
// state and no clock. encoder.go names the formats for machines: EVE, ECS, OCSF,
// CEF, LEEF, and template.go for anything else; all but EVE read view.go.
// table.go, detail.go and page.go are for a person at a terminal. Whatever
// stands in a name or a rule file, nothing but printable ASCII and the colours
// of this package reaches any of them, and one alert stays one record.
// It never decides what is shown, only how.
package format
