package rates

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"pratique/message"
)

// to is a message of a@shop.example to the numbers from first on.
func to(first, n int) *message.Message {
	var recipients []string
	for i := range n {
		recipients = append(recipients, fmt.Sprintf("u%d@dest.example", first+i))
	}
	return newMessage(recipients...)
}

func TestNewRecipientsAreLimited(t *testing.T) {
	clock := newClock()
	store := openStore(t, "", clock)
	r := newRates(t, store, perHour("sender", "new_recipients", 5, "tempfail"))
	for i, c := range []struct {
		first, n int
		want     message.Verdict
	}{
		{0, 3, message.Accepted},
		{0, 3, message.Accepted}, // they are known
		{2, 3, message.Accepted}, // two are new
		{5, 1, message.Tempfailed},
		{5, 1, message.Tempfailed}, // a refused message makes nobody known
		{0, 5, message.Accepted},
		{0, 6, message.Tempfailed},
		{0, 12, message.Refused}, // seven of them are new: it can't ever pass
	} {
		o := send(r, to(c.first, c.n))
		if o.Verdict != c.want {
			t.Errorf("message %d: %v, %v", i+1, o.Verdict, o.Refusal)
		}
	}
	wantText(t, send(r, to(5, 1)).Refusal.Error(),
		"451 4.7.1 rates: sender a@shop.example sent 5 new recipients in the last 1h, limit 5; room again in 61 min")
	if n := store.sum(PerSender, "a@shop.example", CountNewRecipients); n != 5 {
		t.Errorf("%d new recipients are counted", n)
	}
	// Another sender has met none of them, and both together have met five.
	m := to(0, 2)
	m.Sender = "b@shop.example"
	if o := send(r, m); o.Verdict != message.Accepted {
		t.Errorf("another sender: %v", o.Refusal)
	}
	if n := store.sum(PerSender, "b@shop.example", CountNewRecipients); n != 2 {
		t.Errorf("%d are new to another sender", n)
	}
	if n := store.sum(PerTotal, keyTotal, CountNewRecipients); n != 5 {
		t.Errorf("%d are new to all", n)
	}
	clock.advance(time.Hour + 2*time.Second)
	if o := send(r, to(5, 1)); o.Verdict != message.Accepted {
		t.Errorf("an hour later: %v", o.Refusal)
	}
	wantNothingReserved(t, r)
}

func TestSpellingsOfARecipientAreOne(t *testing.T) {
	store := openStore(t, "", newClock())
	r := newRates(t, store)
	send(r, newMessage("Info@BÜCHER.example", "info@xn--bcher-kva.example", "INFO@bücher.example"))
	if n := store.sum(PerSender, "a@shop.example", CountNewRecipients); n != 1 {
		t.Errorf("%d recipients are new", n)
	}
}

// Two messages to the same strangers at once both need room for them, which is counted once.
func TestStrangersUnderWayAreCountedOnce(t *testing.T) {
	store := openStore(t, "", newClock())
	r := newRates(t, store, perHour("client", "new_recipients", 5, "tempfail"))
	first, second := to(0, 2), to(0, 2)
	for _, m := range []*message.Message{first, second} {
		if err := begin(r, m, ""); err != nil {
			t.Fatal(err)
		}
	}
	if o := send(r, to(10, 2)); o.Verdict != message.Tempfailed {
		t.Errorf("with four under way: %v", o.Verdict)
	}
	r.Observe(first, message.Outcome{Verdict: message.Accepted})
	r.Observe(second, message.Outcome{Verdict: message.Accepted})
	if n := store.sum(PerClient, "10.0.0.7", CountNewRecipients); n != 2 {
		t.Errorf("%d are counted", n)
	}
	if o := send(r, to(10, 3)); o.Verdict != message.Accepted {
		t.Errorf("with two sent: %v", o.Refusal)
	}
	wantNothingReserved(t, r)
}

// What does not leave makes nobody known, however it ends.
func TestOnlyWhatLeavesMakesRecipientsKnown(t *testing.T) {
	for v := message.Accepted; v <= message.Lost; v++ {
		store := openStore(t, "", newClock())
		r := newRates(t, store, perHour("sender", "new_recipients", 100, "tempfail"))
		m := to(0, 4)
		if err := begin(r, m, ""); err != nil {
			t.Fatal(err)
		}
		r.Observe(m, message.Outcome{Verdict: v, Refusal: &message.Refusal{Code: 550}})
		strangers := store.book.strangers(PerSender, "a@shop.example", store.book.fingerprints(m.Recipients), store.time.seconds())
		if want := map[bool]uint64{true: 0, false: 4}[v.Leaves()]; strangers != want {
			t.Errorf("after %v %d of 4 are strangers", v, strangers)
		}
		wantNothingReserved(t, r)
	}
}

func TestRecipientsAreForgottenByTheWeek(t *testing.T) {
	clock, dir := newClock(), t.TempDir()
	store := openStore(t, dir, clock)
	strangers := func(m *message.Message) uint64 {
		return store.book.strangers(PerSender, "a@shop.example", store.book.fingerprints(m.Recipients), store.time.seconds())
	}
	restart := func() {
		if err := store.Close(); err != nil {
			t.Fatal(err)
		}
		store = openStore(t, dir, clock)
	}
	for _, restarts := range []bool{false, true} {
		base := 0
		if restarts {
			base = 1000
		}
		often, once := to(base, 10), to(base+100, 10)
		send(newRates(t, store), often)
		send(newRates(t, store), once)
		store.save()
		for week := 1; week <= 4; week++ {
			clock.advance(7 * 24 * time.Hour)
			if restarts {
				restart()
			}
			if week == 3 {
				send(newRates(t, store), often)
				store.save()
			}
		}
		clock.advance(7 * 24 * time.Hour)
		if strangers(often) != 0 || strangers(once) != 0 {
			t.Errorf("restarts %v: after 35 days %d and %d of 10 are strangers", restarts, strangers(often), strangers(once))
		}
		clock.advance(7*24*time.Hour + time.Second)
		if restarts {
			restart()
		}
		if strangers(often) != 0 || strangers(once) != 10 {
			t.Errorf("restarts %v: after 42 days %d and %d of 10 are strangers", restarts, strangers(often), strangers(once))
		}
		clock.advance(365 * 24 * time.Hour)
		store.sweep()
		if strangers(often) != 10 {
			t.Errorf("restarts %v: a year later %d of 10 are strangers", restarts, strangers(often))
		}
	}
}

// wrongly returns the share of strangers that a set of so many recipients takes for known, and its memory.
func wrongly(t testing.TB, recipients, asked int) (share float64, octets int) {
	t.Helper()
	b, key, now := newBook(false, bookMemory), secret{1, 2, 3}, int64(1_700_000_000)
	named := func(name string, first, n int) []fingerprint {
		all := make([]fingerprint, n)
		for i := range all {
			all[i] = key.fingerprint(name + strconv.Itoa(first+i) + "@dest.example")
		}
		return all
	}
	const step = 1000
	for i := 0; i < recipients; i += step {
		b.meet(PerSender, "k", named("known", i, step), now)
	}
	if n := b.strangers(PerSender, "k", named("known", 0, recipients), now); n != 0 {
		t.Errorf("of %d recipients %d are forgotten", recipients, n)
	}
	strangers := b.strangers(PerSender, "k", named("stranger", 0, asked), now)
	return 1 - float64(strangers)/float64(asked), b.used
}

// How many strangers are taken for somebody that the key has written to.
func TestErrorOfTheSet(t *testing.T) {
	for _, recipients := range []int{1_000, 200_000} {
		share, _ := wrongly(t, recipients, 50_000)
		if expected := float64(recipients) / (1 << fingerprintBits); share > 3*expected+0.0001 || share > 0.01 {
			t.Errorf("%d recipients: an error of %f, expected %f", recipients, share, expected)
		}
	}
}

// No address, nor what can be tried without the secret, is in the file.
func TestNoAddressIsKept(t *testing.T) {
	dir := t.TempDir()
	store := openStore(t, dir, newClock())
	send(newRates(t, store), newMessage("verysecretname@dest.example"))
	store.save()
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) < 2 {
		t.Fatal(files, err)
	}
	for _, name := range files {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(content, []byte("verysecretname")) {
			t.Errorf("%s has the address", name)
		}
		if info, _ := os.Stat(name); filepath.Base(name) == secretName && info.Mode().Perm() != secretMode {
			t.Errorf("the secret has mode %v", info.Mode())
		}
	}
	if used := *store.book.secret.Load(); used == (secret{}) || used == newSecret() {
		t.Error("the secret is none")
	}
}

func TestContactsSurviveARestart(t *testing.T) {
	clock, dir := newClock(), t.TempDir()
	store := openStore(t, dir, clock)
	for i := range 50 {
		send(newRates(t, store), to(10*i, 10))
		store.save()
	}
	m := to(0, 500)
	strangers := func() uint64 {
		return store.book.strangers(PerSender, "a@shop.example", store.book.fingerprints(m.Recipients), store.time.seconds())
	}
	reopen := func(log *logBuffer) {
		t.Helper()
		if err := store.Close(); err != nil {
			t.Fatal(err)
		}
		var err error
		if store, err = open(context.Background(), dir, clock.Now, log.logger(), kindMemory); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { store.Close() })
	}
	var log logBuffer
	reopen(&log)
	if n := strangers(); n != 0 {
		t.Errorf("%d of 500 are strangers after a restart", n)
	}
	store.rewriteBook = true // as when the log has grown
	store.save()
	reopen(&log)
	if n := strangers(); n != 0 || store.Health() != nil {
		t.Errorf("%d of 500 are strangers after a rewrite: %v", n, store.Health())
	}
	if n := store.file.contactOctets; n != 2*4*500 { // of the sender and of all
		t.Errorf("%d octets are in the file", n)
	}
	if err := os.WriteFile(filepath.Join(dir, secretName), []byte("half of it"), 0o600); err != nil {
		t.Fatal(err)
	}
	reopen(&log)
	wantText(t, log.String(), "secret of the fingerprints was damaged", "another secret and are dropped")
	if n := strangers(); n != 500 {
		t.Errorf("%d of 500 are strangers with another secret", n)
	}
	reopen(&log)
	if n := strings.Count(log.String(), "dropped"); n != 1 {
		t.Errorf("they were dropped %d times", n)
	}
}

// What can't be written is kept, and written when it can be.
func TestContactsSurviveAFullDisk(t *testing.T) {
	store := openStore(t, t.TempDir(), newClock())
	var pages int
	if err := store.file.db.QueryRow("PRAGMA max_page_count = 3").Scan(&pages); err != nil {
		t.Fatal(err)
	}
	for _, rewrite := range []bool{false, true} {
		store.rewriteBook = rewrite
		for i := range 20 {
			send(newRates(t, store), to(1000*i, 1000))
		}
		if err := store.saveContacts(t.Context()); err == nil {
			t.Fatal("it was written")
		}
	}
	store.rewriteBook = false
	if err := store.file.db.QueryRow("PRAGMA max_page_count = 100000").Scan(&pages); err != nil {
		t.Fatal(err)
	}
	store.save()
	if n := store.file.contactOctets; store.Health() != nil || n < 2*4*19_990 { // a few share a fingerprint
		t.Errorf("%d octets are in the file: %v", n, store.Health())
	}
}

// A flood of made-up senders pushes out only its like, and the memory is what it is reckoned as.
func TestTheBookStaysWithinItsMemory(t *testing.T) {
	const memory = 4 << 20
	b := newBook(true, memory)
	now := int64(1_700_000_000)
	list := make([]fingerprint, 50_000)
	for i := range list {
		list[i] = fingerprint(i + 1)
	}
	b.meet(PerSender, "news@shop.example", list, now)
	b.meet(PerSender, "news@shop.example", list[:1], now)
	before := heap()
	for i := range 30_000 {
		b.meet(PerSender, fmt.Sprintf("flood%d@shop.example", i), []fingerprint{fingerprint(i%1000 + 1)}, now)
		if i%5000 == 0 {
			b.collect(now)
		}
		if b.used > memory {
			t.Fatalf("%d octets", b.used)
		}
	}
	if n := b.strangers(PerSender, "news@shop.example", list, now); n != 0 {
		t.Errorf("%d of its recipients are forgotten", n)
	}
	b.collect(now)
	took := int(heap()-before) + 4*1<<17
	if reckoned := b.used; took > reckoned*5/4 {
		t.Errorf("%d octets are in use, %d are reckoned with", took, reckoned)
	}
	used := 0
	for _, p := range b.pages {
		used += p.cost()
	}
	if used != b.used || len(b.pages) != b.once.Len()+b.again.Len() {
		t.Errorf("%d octets are reckoned with, the pages have %d", b.used, used)
	}
	// One that has more recipients than there is memory for forgets its own.
	huge := make([]fingerprint, 2_000_000)
	for i := range huge {
		huge[i] = fingerprint(i + 1)
	}
	for week := range int64(3) {
		b.meet(PerTotal, keyTotal, huge[week*600_000:(week+1)*600_000], now+week*generation)
		if b.used > memory {
			t.Errorf("%d octets", b.used)
		}
	}
	runtime.KeepAlive(b)
}

// Random mail against limits on new recipients and against a list of everything:
// no limit lets more strangers through in any true window than its max, and nothing
// is refused that has room.
func TestNewRecipientsAgainstAReference(t *testing.T) {
	for _, restarts := range []bool{false, true} {
		t.Run(fmt.Sprintf("restarts %v", restarts), func(t *testing.T) {
			random := rand.New(rand.NewPCG(3, 4))
			clock, dir := newClock(), t.TempDir()
			limits := []Limit{perHour("sender", "new_recipients", 12, "tempfail"),
				{Per: "sender", Count: "new_recipients", Max: 40, Every: 24 * time.Hour, Then: "tempfail"}}
			store := openStore(t, dir, clock)
			r := newRates(t, store, limits...)
			written := map[string]int64{} // generation in which a recipient was written to last
			var sent []event
			steps := 1500
			if restarts {
				steps = 150
			}
			for i := range steps {
				clock.advance(time.Duration(random.Int64N(int64(20 * time.Minute))))
				if random.IntN(100) == 0 {
					clock.advance(time.Duration(random.Int64N(int64(30 * 24 * time.Hour))))
				}
				if restarts && random.IntN(10) == 0 {
					if err := store.Close(); err != nil {
						t.Fatal(err)
					}
					store = openStore(t, dir, clock)
					r = newRates(t, store, limits...)
				}
				now := clock.Now().Unix() / generation
				m := to(random.IntN(400), 1+random.IntN(6))
				var strangers uint64
				for _, one := range m.Recipients {
					if last, ok := written[one.Addr]; !ok || now-last > rememberFor {
						strangers++
					}
				}
				o := send(r, m)
				if restarts {
					store.save() // as every second
				}
				room := true
				for _, l := range limits {
					cell := time.Duration(limitWindow(int64(l.Every/time.Second)).width) * time.Second
					room = room && within(sent, clock.Now(), l.Every+cell)+strangers <= uint64(l.Max)
					if o.Verdict == message.Accepted && within(sent, clock.Now(), l.Every)+strangers > uint64(l.Max) {
						t.Fatalf("step %d: %d strangers more pass", i, strangers)
					}
				}
				if o.Verdict != message.Accepted {
					if room || strangers == 0 {
						t.Fatalf("step %d: %d strangers are refused although there is room: %v", i, strangers, o.Refusal)
					}
					continue
				}
				for _, one := range m.Recipients {
					written[one.Addr] = now
				}
				sent = append(sent, event{clock.Now(), strangers})
			}
			wantNothingReserved(t, r)
		})
	}
}

// Those who are told of the outcome after us learn how many recipients were new to the sender.
func TestNewRecipientsAreNoted(t *testing.T) {
	r := newRates(t, openStore(t, "", newClock()))
	noted := func(m *message.Message) string {
		send(r, m)
		for _, n := range m.Notes {
			if n.Check == "rates" && n.Key == noteNewRecipients {
				return n.Text
			}
		}
		return ""
	}
	first, again := noted(newMessage("a@one.example", "b@one.example")), noted(newMessage("a@one.example"))
	third := noted(newMessage("a@one.example", "c@one.example"))
	if first != "2" || again != "" || third != "1" {
		t.Errorf("noted %q, then %q, then %q", first, again, third)
	}
}
