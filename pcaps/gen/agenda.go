package main

// event is the time at which a flow sends its next packet.
type event struct {
	at   int64 // microseconds since 1970
	flow uint32
}

func (a event) before(b event) bool {
	return a.at < b.at || a.at == b.at && a.flow < b.flow
}

// agenda is a heap of the next event of each flow, four children to a node: with 200,000 flows a binary heap would
// touch twice as many cache lines for each packet.
type agenda []event

func (a agenda) replaceFirst(e event) {
	i := 0
	for {
		child := 4*i + 1
		if child >= len(a) {
			break
		}
		first := child
		for c := child + 1; c < min(child+4, len(a)); c++ {
			if a[c].before(a[first]) {
				first = c
			}
		}
		if !a[first].before(e) {
			break
		}
		a[i], i = a[first], first
	}
	a[i] = e
}

func (a *agenda) removeFirst() {
	last := (*a)[len(*a)-1]
	*a = (*a)[:len(*a)-1]
	if len(*a) > 0 {
		a.replaceFirst(last)
	}
}
