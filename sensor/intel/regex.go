package intel

import (
	"errors"
	"regexp/syntax"
	"slices"
	"strings"
)

// maxAlternatives bounds what one regular expression becomes.
const maxAlternatives = 64

var errRegex = errors.New("a regular expression that goes beyond what a domain pattern can say")

// Regexp turns a regular expression over host names into domain patterns,
// where it is no more than literal labels with wildcards inside them. It must be
// anchored at its end; what is open in front means everything below. A class
// of letters becomes a wildcard: wider, but within its label.
func Regexp(expr string) ([]string, error) {
	re, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		return nil, errors.New("not a regular expression that is understood")
	}
	all, err := expand(re, 0)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, s := range all {
		s, ended := strings.CutSuffix(s, "$")
		s, begun := strings.CutPrefix(s, "^")
		switch {
		case !ended || strings.ContainsAny(s, "^$"):
			return nil, errors.New("a regular expression without an end ($): it would match anybody's names")
		case strings.Contains(s, ">") && strings.LastIndex(s, ">") != 0:
			return nil, errRegex // a run over dots is a pattern's first label or nothing
		}
		if strings.Trim(s, "*?.>") == "" {
			return nil, errors.New("a regular expression without fixed text: it matches any name")
		}
		if begun && strings.HasPrefix(s, "*.") {
			s = "?" + s // one label: a * that is the whole of the first would be any number
		}
		if rest, deep := strings.CutPrefix(s, ">"); deep || !begun {
			s = "*." + strings.TrimPrefix(rest, ".")
			if !strings.HasPrefix(rest, ".") && begun {
				return nil, errRegex // .*name: not bounded at a label
			}
			if !begun && !deep && !strings.HasPrefix(rest, ".") {
				out = add(out, rest) // name$: the name, and what is below it
			}
		}
		out = add(out, s)
	}
	return out, nil
}

func add(list []string, s string) []string {
	if slices.Contains(list, s) {
		return list
	}
	return append(list, s)
}

// expand returns the alternatives of re as patterns in which > stands for a run
// over dots, ^ and $ for the anchors.
func expand(re *syntax.Regexp, depth int) ([]string, error) {
	if depth > 32 {
		return nil, errRegex
	}
	switch re.Op {
	case syntax.OpEmptyMatch:
		return []string{""}, nil
	case syntax.OpBeginText, syntax.OpBeginLine:
		return []string{"^"}, nil
	case syntax.OpEndText, syntax.OpEndLine:
		return []string{"$"}, nil
	case syntax.OpLiteral:
		s := strings.ToLower(string(re.Rune))
		if strings.ContainsAny(s, "*?{}^$>") {
			return nil, errRegex
		}
		return []string{s}, nil
	case syntax.OpCharClass:
		return class(re)
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return []string{"."}, nil // authors forget the backslash
	case syntax.OpCapture:
		return expand(re.Sub[0], depth+1)
	case syntax.OpAlternate:
		var out []string
		for _, sub := range re.Sub {
			more, err := expand(sub, depth+1)
			if err != nil || len(out)+len(more) > maxAlternatives {
				return nil, errRegex
			}
			out = append(out, more...)
		}
		return out, nil
	case syntax.OpConcat:
		return concat(re.Sub, depth)
	case syntax.OpStar, syntax.OpPlus, syntax.OpQuest, syntax.OpRepeat:
		return repeat(re, depth)
	}
	return nil, errRegex
}

func concat(subs []*syntax.Regexp, depth int) ([]string, error) {
	out := []string{""}
	for _, sub := range subs {
		more, err := expand(sub, depth+1)
		if err != nil || len(out)*len(more) > maxAlternatives {
			return nil, errRegex
		}
		var next []string
		for _, a := range out {
			for _, b := range more {
				if strings.HasSuffix(a, "*") && strings.HasPrefix(b, "*") {
					return nil, errRegex
				}
				next = append(next, a+b)
			}
		}
		out = next
	}
	return out, nil
}

// class is one byte: a literal, or any within its label.
func class(re *syntax.Regexp) ([]string, error) {
	if len(re.Rune) == 2 && re.Rune[0] == re.Rune[1] {
		return []string{strings.ToLower(string(re.Rune[0]))}, nil
	}
	if len(re.Rune) == 4 && re.Rune[0] == re.Rune[1] && re.Rune[2] == re.Rune[3] && re.Rune[2] == re.Rune[0]+('a'-'A') {
		return []string{string(re.Rune[2])}, nil // a letter in either case
	}
	for i := 0; i+1 < len(re.Rune); i += 2 {
		if re.Rune[i] <= '.' && '.' <= re.Rune[i+1] {
			return nil, errRegex // may go over a dot
		}
	}
	return []string{"?"}, nil
}

// repeat is a run: of one class within a label, of anything or of whole labels
// at the start of a name.
func repeat(re *syntax.Regexp, depth int) ([]string, error) {
	sub := re.Sub[0]
	for sub.Op == syntax.OpCapture {
		sub = sub.Sub[0]
	}
	lo, hi := re.Min, re.Max
	switch re.Op {
	case syntax.OpStar:
		lo, hi = 0, -1
	case syntax.OpPlus:
		lo, hi = 1, -1
	case syntax.OpQuest:
		lo, hi = 0, 1
	}
	if sub.Op == syntax.OpAnyChar || sub.Op == syntax.OpAnyCharNotNL {
		if hi < 0 {
			return []string{">"}, nil
		}
		return nil, errRegex
	}
	one, err := expand(sub, depth+1)
	if err != nil {
		return nil, err
	}
	switch {
	case len(one) == 1 && one[0] == "?" && lo <= 63:
		if run := strings.Repeat("?", lo); hi == lo {
			return []string{run}, nil
		} else {
			return []string{run + "*"}, nil
		}
	case len(one) == 1 && strings.HasSuffix(one[0], ".") && strings.Trim(one[0], "?*>.") == "": // labels
		if lo == 0 {
			return []string{"", ">."}, nil
		}
		return []string{">."}, nil
	case lo == 0 && hi == 1:
		return append([]string{""}, one...), nil
	}
	return nil, errRegex
}

// Glob turns a regular expression over a text such as a path into a glob of *
// and ?, where it is literal text with . and .* in it. What is open at either end
// becomes a *.
func Glob(expr string) (string, error) {
	re, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		return "", errors.New("not a regular expression that is understood")
	}
	s, err := globOf(re, 0)
	if err != nil {
		return "", err
	}
	s, begun := strings.CutPrefix(s, "\x00")
	s, ended := strings.CutSuffix(s, "\x01")
	if strings.ContainsAny(s, "\x00\x01") {
		return "", errGlob
	}
	if !begun {
		s = "*" + s
	}
	if !ended {
		s += "*"
	}
	for strings.Contains(s, "**") {
		s = strings.ReplaceAll(s, "**", "*")
	}
	return s, nil
}

var errGlob = errors.New("a regular expression that goes beyond what * and ? can say")

func globOf(re *syntax.Regexp, depth int) (string, error) {
	if depth > 32 {
		return "", errGlob
	}
	switch re.Op {
	case syntax.OpEmptyMatch:
		return "", nil
	case syntax.OpBeginText, syntax.OpBeginLine:
		return "\x00", nil
	case syntax.OpEndText, syntax.OpEndLine:
		return "\x01", nil
	case syntax.OpLiteral:
		if s := string(re.Rune); !strings.ContainsAny(s, "*?") {
			return s, nil
		} else if s == "?" {
			return s, nil // ? also stands for itself
		}
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return "?", nil
	case syntax.OpCapture:
		return globOf(re.Sub[0], depth+1)
	case syntax.OpStar, syntax.OpPlus:
		if sub := re.Sub[0]; sub.Op == syntax.OpAnyChar || sub.Op == syntax.OpAnyCharNotNL {
			if re.Op == syntax.OpPlus {
				return "?*", nil
			}
			return "*", nil
		}
	case syntax.OpConcat:
		var b strings.Builder
		for _, sub := range re.Sub {
			s, err := globOf(sub, depth+1)
			if err != nil {
				return "", err
			}
			b.WriteString(s)
		}
		return b.String(), nil
	}
	return "", errGlob
}
