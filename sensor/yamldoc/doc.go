// Package yamldoc reads the one YAML document that a rule file or the
// configuration is, and says where a broken one is broken: the library's own
// messages name no column, and often the wrong line. detect and config call it
// and then walk the nodes. It must never judge what the document says.
package yamldoc
