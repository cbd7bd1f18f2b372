package cohort

import (
	"container/list"
	"context"
)

// kept holds the books of cohorts that are over, those looked at last, up to a
// number of slides. The ledger's lock guards it.
type kept struct {
	most, slides int
	order        list.List // of *book, the last looked at first
	at           map[string]*list.Element
}

func newKept(most int) *kept { return &kept{most: most, at: map[string]*list.Element{}} }

func (k *kept) get(id string) *book {
	e := k.at[id]
	if e == nil {
		return nil
	}
	k.order.MoveToFront(e)
	return e.Value.(*book)
}

func (k *kept) add(b *book) {
	if e := k.at[b.ID]; e != nil {
		k.slides += len(b.lines) - len(e.Value.(*book).lines)
		e.Value = b
		k.order.MoveToFront(e)
	} else {
		k.at[b.ID] = k.order.PushFront(b)
		k.slides += len(b.lines)
	}
	for k.slides > k.most && k.order.Len() > 1 { // the newest stays, however large
		e := k.order.Back()
		old := e.Value.(*book)
		k.order.Remove(e)
		delete(k.at, old.ID)
		k.slides -= len(old.lines)
	}
}

func (k *kept) drop(id string) {
	e := k.at[id]
	if e == nil {
		return
	}
	k.order.Remove(e)
	delete(k.at, id)
	k.slides -= len(e.Value.(*book).lines)
}

func (l *Ledger) keptBook(id string) (*book, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.kept.get(id)
	return b, b != nil
}

// remembered returns a cohort's book where it is in memory.
func (l *Ledger) remembered(id string) *book {
	l.mu.Lock()
	defer l.mu.Unlock()
	if b := l.open[id]; b != nil {
		return b
	}
	return l.kept.get(id)
}

// find returns a cohort's book, from the store where it is not in memory.
func (l *Ledger) find(ctx context.Context, id string) (*book, error) {
	if b := l.remembered(id); b != nil {
		return b, nil
	}
	b, err := l.load(ctx, id)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open[id] == nil && b.over() {
		l.kept.add(b)
		return b, nil
	}
	return l.arrived(b), nil // another server's, or heard of meanwhile
}
