package elasticsearch

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
)

// item is what became of one record.
type item struct {
	Status int
	Error  struct{ Type, Reason string }
}

// parseItems reads the items of a bulk answer, from the first on as far as they
// can be read: an answer that is cut off still says what became of the first ones.
// The error tells why there are no more.
func parseItems(body []byte) (items []item, err error) {
	d := json.NewDecoder(bytes.NewReader(body))
	if err := expect(d, json.Delim('{')); err != nil {
		return nil, err
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return items, err
		}
		if name == "items" && items != nil {
			return nil, errors.New("an answer with two lists of items")
		}
		if name != "items" {
			var other json.RawMessage
			if err := d.Decode(&other); err != nil {
				return items, err
			}
			continue
		}
		if err := expect(d, json.Delim('[')); err != nil {
			return items, err
		}
		items = []item{}
		for d.More() {
			var one map[string]item
			if err := d.Decode(&one); err != nil {
				return items, err
			}
			created, ok := one["create"]
			if !ok {
				return items, errors.New("an item is not of the action create")
			}
			items = append(items, created)
		}
		if err := expect(d, json.Delim(']')); err != nil {
			return items, err
		}
	}
	return items, expect(d, json.Delim('}'))
}

func expect(d *json.Decoder, want json.Delim) error {
	token, err := d.Token()
	if err != nil {
		return err
	}
	if token != want {
		return errors.New("this is no answer of the bulk API")
	}
	return nil
}

type outcome int

const (
	delivered outcome = iota
	refused
	again
)

// configured are errors of status 400 that blame the index of this output and not
// the record: somebody can mend them, and then nothing is lost.
var configured = []string{"invalid_index_name_exception", "index_closed_exception", "index_not_found_exception", "invalid_alias_name_exception"}

// outcome is what an item's status means. 409 is a record that is there already,
// delivered by an attempt whose answer did not come.
func (i item) outcome() outcome {
	switch {
	case i.Status >= 200 && i.Status < 300:
		return delivered
	case i.Status == 409 && (i.Error.Type == "" || i.Error.Type == "version_conflict_engine_exception"):
		return delivered
	case slices.Contains([]int{400, 413, 422}, i.Status) && !slices.Contains(configured, i.Error.Type):
		return refused
	}
	return again
}
