package main

import "errors"

// errEmpty refuses --flag "": in a script, that is a variable that is not set,
// and to go on without the flag would do something else than what was meant.
var errEmpty = errors.New("the value is empty; leave the flag out for the default")

// word is the value of a flag that takes text. It implements pflag.Value.
type word string

func (w *word) Set(s string) error {
	if s == "" {
		return errEmpty
	}
	*w = word(s)
	return nil
}

func (w *word) String() string { return string(*w) }

// Type is what help calls the value.
func (w *word) Type() string { return "string" }

// words is the value of a flag that may be repeated.
type words []string

func (w *words) Set(s string) error {
	if s == "" {
		return errEmpty
	}
	*w = append(*w, s)
	return nil
}

// String is the default, which help leaves out.
func (w *words) String() string { return "" }

// Type is what help calls the value.
func (w *words) Type() string { return "stringArray" }
