package outputtest

import (
	"testing"

	"github.com/rmmwatch/rmmwatch/sensor/output"
)

// Secret writes text to a file and names it.
func Secret(t testing.TB, text string) output.Secret {
	t.Helper()
	return output.Secret{File: write(t, "secret", []byte(text+"\n"))}
}
