package sigma

import (
	"errors"
	"path"
	"slices"
	"strings"
)

// condition is what a rule asks for: one of any, each of which is searches that
// must all hold, and none of not.
type condition struct {
	any [][]string
	not []string
}

// maxConjunctions bounds what a condition is multiplied out to.
const maxConjunctions = 256

var errCondition = errors.New("goes beyond and, or, brackets, and not at its end")

// parseCondition reads a condition over searches of these names.
func parseCondition(s string, names []string) (condition, error) {
	s = strings.NewReplacer("(", " ( ", ")", " ) ").Replace(s)
	p := &conditionReader{tokens: strings.Fields(s), names: names}
	c, err := p.or(0)
	if err == nil && p.pos < len(p.tokens) {
		err = errCondition
	}
	return c, err
}

type conditionReader struct {
	tokens []string
	pos    int
	names  []string
}

func (p *conditionReader) take(word string) bool {
	if p.pos < len(p.tokens) && strings.EqualFold(p.tokens[p.pos], word) {
		p.pos++
		return true
	}
	return false
}

func (p *conditionReader) or(depth int) (condition, error) {
	c, err := p.and(depth)
	for err == nil && p.take("or") {
		var other condition
		if other, err = p.and(depth); err != nil {
			break
		}
		if c.not != nil || other.not != nil || c.any == nil || other.any == nil {
			return c, errCondition
		}
		c.any = append(c.any, other.any...)
	}
	if err == nil && len(c.any) > maxConjunctions {
		err = errCondition
	}
	return c, err
}

func (p *conditionReader) and(depth int) (condition, error) {
	c, err := p.term(depth)
	for err == nil && p.take("and") {
		var other condition
		if other, err = p.term(depth); err != nil {
			break
		}
		c.not = append(c.not, other.not...)
		switch {
		case c.any == nil:
			c.any = other.any
		case other.any != nil:
			var both [][]string
			for _, a := range c.any {
				for _, b := range other.any {
					both = append(both, slices.Concat(a, b))
				}
			}
			if c.any = both; len(both) > maxConjunctions {
				return c, errCondition
			}
		}
	}
	return c, err
}

func (p *conditionReader) term(depth int) (c condition, err error) {
	if depth > 32 || p.pos >= len(p.tokens) {
		return c, errCondition
	}
	if p.take("not") {
		c, err = p.term(depth + 1)
		if err != nil || c.not != nil || slices.ContainsFunc(c.any, func(all []string) bool { return len(all) != 1 }) {
			return c, errCondition // not (a and b)
		}
		var none condition
		for _, all := range c.any {
			none.not = append(none.not, all[0])
		}
		return none, nil
	}
	if p.take("(") {
		c, err = p.or(depth + 1)
		if err == nil && !p.take(")") {
			err = errCondition
		}
		return c, err
	}
	return p.search()
}

// search is the name of one, or 1 of, any of, all of a pattern of names or them.
func (p *conditionReader) search() (c condition, err error) {
	word := p.tokens[p.pos]
	p.pos++
	quantity := strings.ToLower(word)
	if !p.take("of") {
		if !slices.Contains(p.names, word) {
			return c, errCondition
		}
		return condition{any: [][]string{{word}}}, nil
	}
	if p.pos >= len(p.tokens) {
		return c, errCondition
	}
	pattern := p.tokens[p.pos]
	p.pos++
	var hit []string
	for _, n := range p.names {
		ok, _ := path.Match(pattern, n)
		if ok || strings.EqualFold(pattern, "them") && !strings.HasPrefix(n, "_") {
			hit = append(hit, n)
		}
	}
	switch {
	case hit == nil:
		return c, errors.New("it asks for searches that are not there")
	case quantity == "all":
		return condition{any: [][]string{hit}}, nil
	case quantity == "1" || quantity == "any":
		for _, n := range hit {
			c.any = append(c.any, []string{n})
		}
		return c, nil
	}
	return c, errCondition
}
