// Package rules holds the rule files that the binary carries, one tool a file,
// and the JSON Schema of their format, which docs/rules.md explains. It is
// data: package detect reads it, and nothing here may depend on anything.
package rules

import "embed"

// FS has the rule files as tools/<tool>.yaml, and the capture cases of some as
// tools/<tool>_test.yaml, which package detect leaves out.
//
//go:embed tools/*.yaml
var FS embed.FS

// Schema is the JSON Schema (draft 2020-12) of a rule file. It describes the
// shape; what needs judgement (tests that hit, shared hosts, imitations) is
// the loader's to refuse.
//
//go:embed schema.json
var Schema []byte
