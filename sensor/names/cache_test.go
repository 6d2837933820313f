package names

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/publicsuffix"
	"pgregory.net/rapid"

	"github.com/rmmwatch/rmmwatch/sensor/decode"
)

const second = int64(1e9)

func addr(i int) decode.Addr { return decode.Addr{Lo: 0xffff<<32 | uint64(i)} }

func answer(name string) *Answer { return &Answer{Names: [][]byte{[]byte(name)}} }

// A flow is named from the answer until TTL and grace are over, not a
// nanosecond longer; by its own client's answers only.
func TestLifetime(t *testing.T) {
	c := New(64, [2]uint64{1, 2})
	now := int64(1e18)
	c.Learn(addr(1), addr(2), now, 60*second, answer("a"))
	end := now + 60*second + Grace
	for at, want := range map[int64]bool{ // any order
		now - 1: false, now: true, now + 1: true, end: true, end + 1: false,
	} {
		if got := c.Lookup(addr(1), addr(2), at) != nil; got != want {
			t.Errorf("%d ns after the answer: %v", at-now, got)
		}
	}
	if c.Lookup(addr(3), addr(2), now) != nil || c.Lookup(addr(2), addr(1), now) != nil || c.Lookup(addr(1), addr(3), now) != nil {
		t.Error("another client, or another server, is named")
	}
	c.Learn(addr(1), addr(2), now+30*second, 0, answer("b")) // told again with less left: the first still holds
	if e := c.Lookup(addr(1), addr(2), end); e == nil || string(e.Answer.Names[0]) != "b" {
		t.Errorf("told again: %v", e)
	}
	if c.Lookup(addr(1), addr(2), now) == nil {
		t.Error("told again: what began before is forgotten")
	}
	c.Learn(addr(1), addr(2), end+1000*second, 60*second, answer("c")) // a gap
	if c.Lookup(addr(1), addr(2), end+500*second) != nil {
		t.Error("a flow between two answers is named")
	}
	c.Learn(addr(4), addr(2), now, 1<<62, answer("d"))
	if c.Lookup(addr(4), addr(2), now+MaxTTL+Grace) == nil || c.Lookup(addr(4), addr(2), now+MaxTTL+Grace+1) != nil {
		t.Error("a TTL without end is not a day")
	}
}

// The cache agrees with a map as long as nothing must make room, and never tells what
// the map does not know.
func TestAgainstMap(t *testing.T) {
	type key struct{ client, server decode.Addr }
	type told struct {
		since, until int64
		name         string
	}
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.SampledFrom([]int{1, 64, 1024}).Draw(t, "size")
		c := New(size, [2]uint64{rapid.Uint64().Draw(t, "seed"), 7})
		model := map[key]told{}
		now := int64(1e18)
		for i := range rapid.IntRange(1, 200).Draw(t, "steps") {
			now += rapid.Int64Range(0, 40).Draw(t, "wait") * second
			k := key{addr(rapid.IntRange(0, 9).Draw(t, "client")), addr(rapid.IntRange(0, 9).Draw(t, "server"))}
			if rapid.Bool().Draw(t, "learn") {
				ttl := rapid.Int64Range(0, 300).Draw(t, "ttl") * second
				e := told{now, now + ttl + Grace, fmt.Sprint(i)}
				if old, ok := model[k]; ok && now <= old.until {
					e.since, e.until = old.since, max(old.until, e.until)
				}
				model[k] = e
				c.Learn(k.client, k.server, now, ttl, answer(e.name))
			}
			at := now - rapid.Int64Range(0, 100).Draw(t, "back")*second
			want, known := model[k]
			known = known && want.since <= at && at <= want.until
			switch e := c.Lookup(k.client, k.server, at); {
			case e == nil && known && size >= 1024:
				t.Fatalf("%v at %d: forgotten", k, at)
			case e != nil && size >= 1024 && (!known || string(e.Answer.Names[0]) != want.name):
				t.Fatalf("%v at %d: %q, want %v", k, at, e.Answer.Names[0], want)
			case e != nil && (e.client != k.client || e.server != k.server || at < e.since || at > e.until):
				t.Fatalf("%v at %d: %v", k, at, e)
			}
		}
	})
}

// Whoever floods the cache only makes others' answers end early: those that end first.
func TestFlood(t *testing.T) {
	c := New(1024, [2]uint64{1, 2})
	now := int64(1e18)
	for i := range 100 {
		c.Learn(addr(i), addr(1<<20), now, 3600*second, answer("kept"))
	}
	for i := range 100_000 {
		c.Learn(addr(1000+i), addr(1<<20), now, second, answer("flood"))
	}
	for i := range 100 {
		if c.Lookup(addr(i), addr(1<<20), now) == nil {
			t.Fatalf("client %d is forgotten", i)
		}
	}
	if len(c.all) != 1024 || len(c.tags) != 1024 {
		t.Errorf("%d entries", len(c.all))
	}
}

// Readers beside writers see whole entries: run with -race.
func TestManyWorkers(t *testing.T) {
	c := New(16, [2]uint64{1, 2})
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := range 20_000 {
				k := (i*7 + w) % 50
				name := fmt.Sprint(k)
				switch i % 4 {
				case 0:
					c.Learn(addr(k), addr(k), int64(i)*second, 100*second, answer(name))
				case 1:
					c.Carries(addr(k), uint32(i%3), int64(i))
					c.Answers(addr(k), int64(i))
				default:
					if e := c.Lookup(addr(k), addr(k), int64(i)*second); e != nil && string(e.Answer.Names[0]) != name {
						t.Errorf("%s for %s", e.Answer.Names[0], name)
						return
					}
					c.Shared(addr(k), int64(i))
				}
			}
		})
	}
	wg.Wait()
	if c.Learned() != 4*20_000/4 {
		t.Errorf("%d answers learned", c.Learned())
	}
}

func TestShared(t *testing.T) {
	const hour = 3600 * second
	c := New(4096, [2]uint64{1, 2})
	now := int64(1e18)
	tool, shop := Site([]byte("relay.tool.example")), Site([]byte("www.shop.example"))
	step := func(what string, at int64, want bool) {
		t.Helper()
		if got := c.Shared(addr(1), at); got != want {
			t.Errorf("%s: %v", what, got)
		}
	}
	step("nothing known", now, false)
	c.Carries(addr(1), tool, now)
	c.Carries(addr(1), tool, now+1)
	step("one site", now+1, false)
	c.Carries(addr(1), shop, now+2)
	step("two sites", now+2, true)
	c.Carries(addr(1), shop, now+3)
	step("two sites, one again", now+3, true)
	for i := range int64(30) { // the second site alone, for longer than a day
		c.Carries(addr(1), shop, now+i*hour)
	}
	step("the first has not come for a day", now+30*hour, false)
	if c.Shared(addr(2), now) {
		t.Error("another address is shared")
	}
	c.Answers(addr(7), now)
	if !c.IsResolver(addr(7), now+hour) || c.IsResolver(addr(7), now+30*hour) || c.IsResolver(addr(8), now) {
		t.Error("who is a resolver, and for how long")
	}
}

// Site tells registered domains as the public suffix list does, for ordinary names.
func TestSite(t *testing.T) {
	list := []string{
		"www.example.com", "example.com", "EXAMPLE.com.", "a.b.c.example.com", "example.net", "shop.example.co.uk", "other.co.uk", "www.other.co.uk",
		"router1.teamviewer.com", "relay-1.net.anydesk.com", "anydesk.net", "x.com.au", "www.x.com.au", "shop.ac.jp", "y.x.com.au", "z.com.au", "a.de", "www.a.de", "b.de", "com", "www.examplf.com",
	}
	domain := func(name string) string {
		name = strings.TrimSuffix(strings.ToLower(name), ".")
		d, err := publicsuffix.EffectiveTLDPlusOne(name)
		if err != nil {
			return name
		}
		return d
	}
	for _, a := range list {
		for _, b := range list {
			if got, want := Site([]byte(a)) == Site([]byte(b)), domain(a) == domain(b); got != want {
				t.Errorf("%s and %s: %v", a, b, got)
			}
		}
	}
	if Site(nil) != Site([]byte(".")) {
		t.Error("the root")
	}
}

func TestRented(t *testing.T) {
	for name, want := range map[string]bool{ // any order
		"d111.cloudfront.net": true, "cloudfront.net": true, "X.CloudFront.NET.": true, "notcloudfront.net": false,
		"cloudfront.net.example": false, "": false, "relay.screenconnect.com": false,
	} {
		if got := Rented([]byte(name)); got != want {
			t.Errorf("%q: %v", name, got)
		}
	}
}

func TestAllocations(t *testing.T) {
	c := New(1<<15, [2]uint64{1, 2})
	c.Learn(addr(1), addr(2), 1e18, second, answer("a"))
	name := []byte("www.some-shop.example")
	if n := testing.AllocsPerRun(100, func() {
		c.Lookup(addr(1), addr(2), 1e18)
		c.Lookup(addr(1), addr(3), 1e18)
		c.Carries(addr(1), Site(name), 1e18)
		c.Shared(addr(1), 1e18)
		c.Answers(addr(3), 1e18)
		c.IsResolver(addr(3), 1e18)
		Rented(name)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkLookupMiss(b *testing.B) {
	c := New(1<<15, [2]uint64{1, 2})
	for i := range 20_000 {
		c.Learn(addr(i), addr(1), 1e18, second, answer("a"))
	}
	i := 0
	for b.Loop() {
		i++
		if c.Lookup(addr(i), addr(2), 1e18) != nil {
			b.Fatal("found")
		}
	}
}

func BenchmarkLookupHit(b *testing.B) {
	c := New(1<<15, [2]uint64{1, 2})
	for i := range 4096 {
		c.Learn(addr(i), addr(1), 1e18, second, answer("a"))
	}
	i := 0
	for b.Loop() {
		i++
		if c.Lookup(addr(i&4095), addr(1), 1e18) == nil {
			b.Fatal("not found")
		}
	}
}
