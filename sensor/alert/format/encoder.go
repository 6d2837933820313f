package format

import (
	"fmt"
	"strings"

	"github.com/rmmwatch/rmmwatch/sensor/alert"
)

// Encoder writes alerts in one format. Line returns the alert as one record
// with a newline at its end and no other; it is valid until the next call. An
// encoder is not safe for concurrent use, has no clock and no chance: the same
// alert gives the same bytes.
type Encoder interface {
	Line(a *alert.Alert) []byte
}

// Names lists the formats that New knows, in the order of docs/formats.md.
var Names = []string{"eve", "ecs", "ocsf", "cef", "leef"}

// New returns the encoder of a format of Names. Files names the captures that
// alerts speak of.
func New(name string, files Files) (Encoder, error) {
	switch name {
	case "eve":
		return NewEVE(files), nil
	case "ecs":
		return NewECS(files), nil
	case "ocsf":
		return NewOCSF(files), nil
	case "cef":
		return NewCEF(files), nil
	case "leef":
		return NewLEEF(files), nil
	}
	return nil, fmt.Errorf("no format %q: use one of %s", name, strings.Join(Names, ", "))
}

// product names us as vendor and product wherever a format asks for both.
const product = "rmmwatch"

// revision is the version that CEF and LEEF ask of the product: that of our
// field layout. It is not the build's, so that another build of the same
// layout writes the same bytes.
const revision = "1"
