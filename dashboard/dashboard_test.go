package dashboard

import (
	"encoding/json"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pratique/telemetry/alerts"
)

// pages are all of them, but those of single messages.
var pages = []string{"/", "/?range=7d", "/messages", "/messages?verdict=refused", "/alerts", "/limits", "/posture", "/queue", "/queue?range=7d"}

var hrefs = regexp.MustCompile(`(?:href|action|src)="([^"]*)"`)

// Every page answers, every link on it leads somewhere, and nothing is from elsewhere.
func TestEveryLinkLeadsSomewhere(t *testing.T) {
	base := serve(t, sources(aDay(t)))
	seen := map[string]bool{}
	queue := slices.Clone(pages)
	for len(queue) > 0 && len(seen) < 400 {
		path := queue[0]
		queue = queue[1:]
		if seen[path] {
			continue
		}
		seen[path] = true
		status, text, header := get(t, base+path)
		if status != http.StatusOK {
			t.Errorf("%s: %d", path, status)
		}
		if strings.HasPrefix(path, "/static/") || strings.HasPrefix(path, "/messages?since") && len(seen) > 100 {
			continue
		}
		if csp := header.Get("Content-Security-Policy"); csp != policy {
			t.Errorf("%s: policy %q", path, csp)
		}
		for _, found := range hrefs.FindAllStringSubmatch(text, -1) {
			link := html.UnescapeString(found[1])
			if strings.HasPrefix(link, "?") {
				link = strings.SplitN(path, "?", 2)[0] + link
			}
			switch {
			case strings.HasPrefix(link, "#"), link == "/metrics", link == "/healthz":
			case strings.HasPrefix(link, "/"):
				queue = append(queue, link)
			default:
				t.Errorf("%s leads to %q", path, link)
			}
		}
	}
	if len(seen) < 60 {
		t.Errorf("only %d pages were found", len(seen))
	}
}

// What others wrote is text everywhere, never a part of the page.
func TestHostileTextIsText(t *testing.T) {
	base := serve(t, sources(aDay(t)))
	all := append(slices.Clone(pages), "/messages?"+url.Values{"q": {hostile}, "client": {hostile}, "until": {now.Format(time.RFC3339)}}.Encode())
	_, list, _ := get(t, base+"/messages?client=192.0.2.66")
	id := regexp.MustCompile(`/messages/(\d+)`).FindStringSubmatch(list)
	if id == nil {
		t.Fatalf("the hostile message is not listed:\n%s", list)
	}
	for _, path := range append(all, "/messages/"+id[1]) {
		_, text, _ := get(t, base+path)
		for _, bad := range []string{"<script>window", "<img src=x", "onerror=\"window"} {
			if strings.Contains(text, bad) {
				t.Errorf("%s has %q", path, bad)
			}
		}
	}
	if _, text, _ := get(t, base+"/messages/"+id[1]); !strings.Contains(text, "&lt;script&gt;window.stolen=1") {
		t.Error("the story does not show the text either")
	}
}

var tileOf = regexp.MustCompile(`<a href="([^"]+)"><b>([^<]+)</b> (\w+)</a>`)

// Each number leads to as many messages as it says.
func TestNumbersLeadToTheirMessages(t *testing.T) {
	base := serve(t, sources(aDay(t)))
	_, text, _ := get(t, base+"/")
	found := tileOf.FindAllStringSubmatch(text, -1)
	if len(found) != 6 {
		t.Fatalf("%d tiles", len(found))
	}
	for _, tile := range found[1:4] { // of the accepted there are more than a page
		want := strings.ReplaceAll(html.UnescapeString(tile[2]), "\u202f", "")
		_, list, _ := get(t, base+html.UnescapeString(tile[1]))
		if got := strconv.Itoa(strings.Count(list, `<td class="time">`)); got != want || want == "0" {
			t.Errorf("%s: the tile says %s, the list has %s", tile[3], want, got)
		}
	}
	row := regexp.MustCompile(`<th scope="row">([^<]+)</th><td class="num"><a href="([^"]+)">([^<]+)</a>`)
	checked := 0
	for _, r := range row.FindAllStringSubmatch(text, -1) {
		n, err := strconv.Atoi(strings.ReplaceAll(r[3], "\u202f", ""))
		if err != nil || n > pageLength {
			continue
		}
		_, list, _ := get(t, base+html.UnescapeString(r[2]))
		if got := strings.Count(list, `<td class="time">`); got != n {
			t.Errorf("%s: the card says %d, the list has %d (%s)", html.UnescapeString(r[1]), n, got, r[2])
		}
		checked++
	}
	if checked < 4 {
		t.Errorf("only %d rows were looked at", checked)
	}
}

func TestPagesOfMessages(t *testing.T) {
	base := serve(t, sources(aDay(t)))
	older := regexp.MustCompile(`href="([^"]+)" rel="next"`)
	path, total := "/messages", 0
	ids := map[string]bool{}
	for range 20 {
		_, text, _ := get(t, base+path)
		for _, id := range regexp.MustCompile(`/messages/(\d+)`).FindAllStringSubmatch(text, -1) {
			if ids[id[1]] {
				t.Errorf("message %s is listed twice", id[1])
			}
			ids[id[1]] = true
			total++
		}
		next := older.FindStringSubmatch(text)
		if next == nil {
			break
		}
		path = html.UnescapeString(next[1])
	}
	if total != 401 {
		t.Errorf("%d of 401 messages are listed", total)
	}
	_, text, _ := get(t, base+"/messages?q=4F00000007")
	if strings.Count(text, `<td class="time">`) != 1 || !strings.Contains(text, "M01") {
		t.Errorf("a queue id does not find its message:\n%s", text)
	}
}

func TestWrongAddresses(t *testing.T) {
	base := serve(t, sources(t.TempDir()))
	for path, want := range map[string]int{
		"/nothing": 404, "/messages/1": 404, "/messages/abc": 404, "/?range=1y": 400, "/messages?since=yesterday": 400,
		"/messages?verdict=eaten": 400, "/messages?before=-1": 400, "/api/overview?range=1y": 400, "/": 200, "/messages": 200,
	} {
		status, text, _ := get(t, base+path)
		if status != want {
			t.Errorf("%s: %d, want %d", path, status, want)
		}
		if want == 200 && !strings.Contains(text, "There is no journal yet") {
			t.Errorf("%s does not say that there is no journal", path)
		}
	}
	answer, err := http.Post(base+"/", "text/plain", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d", answer.StatusCode)
	}
}

// Without a source its page is not there, and nothing leads to it.
func TestAbsentSources(t *testing.T) {
	s := sources(aDay(t))
	s.Limits, s.Posture, s.Queue, s.Returned, s.Alerts, s.Usual = nil, nil, nil, nil, nil, nil
	base := serve(t, s)
	_, text, _ := get(t, base+"/")
	for _, path := range []string{"/limits", "/posture", "/queue"} {
		if strings.Contains(text, `href="`+path) {
			t.Errorf("the overview leads to %s", path)
		}
		if status, _, _ := get(t, base+path); status != http.StatusNotFound {
			t.Errorf("%s: %d", path, status)
		}
	}
	if strings.Contains(text, "polygon") {
		t.Error("what is usual is drawn without being known")
	}
}

func TestAPI(t *testing.T) {
	base := serve(t, sources(aDay(t)))
	var overview struct {
		Totals  []struct{ Count int64 }
		Traffic []struct{ Accepted int64 }
		Tops    []struct {
			Title string
			Rows  []struct{ Key string }
		}
	}
	_, text, header := get(t, base+"/api/overview?range=7d")
	if err := json.Unmarshal([]byte(text), &overview); err != nil || header.Get("Content-Type") != "application/json" {
		t.Fatalf("%v: %.200s", err, text)
	}
	if len(overview.Totals) != 6 || overview.Totals[0].Count == 0 || len(overview.Traffic) != 56 || len(overview.Tops) != len(dimensions) {
		t.Errorf("%+v", overview)
	}
	var found struct {
		Messages []struct {
			ID      int64
			Verdict string
		}
	}
	_, text, _ = get(t, base+"/api/messages?verdict=held")
	if err := json.Unmarshal([]byte(text), &found); err != nil || len(found.Messages) == 0 || found.Messages[0].Verdict != "held" {
		t.Fatalf("%v: %.300s", err, text)
	}
	_, text, _ = get(t, base+"/api/messages/"+strconv.FormatInt(found.Messages[0].ID, 10))
	if !strings.Contains(text, `"story":`) {
		t.Errorf("%.300s", text)
	}
	if status, text, _ := get(t, base+"/api/messages/1"); status != 404 || !strings.Contains(text, `"error":`) {
		t.Errorf("%d %s", status, text)
	}
}

// Browsers are told that something new came, and only so many may wait for it.
func TestLive(t *testing.T) {
	k := newKept(t)
	k.at(time.Hour, letter(1), messageAccepted)
	defer k.close()
	base := serve(t, sources(k.dir))
	awaitRecord(t, base)
	answer, err := http.Get(base + "/live")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	events := make(chan string, 10)
	go func() {
		b := make([]byte, 1000)
		for {
			n, err := answer.Body.Read(b)
			if err != nil {
				return
			}
			events <- string(b[:n])
		}
	}()
	first := <-events
	k.at(time.Minute, letter(2), messageAccepted)
	select {
	case second := <-events:
		if first == second || !strings.Contains(second, "data: ") {
			t.Errorf("%q, then %q", first, second)
		}
	case <-time.After(20 * time.Second):
		t.Error("nobody is told of a new message")
	}
	for range mostLive - 1 {
		waiting, err := http.Get(base + "/live")
		if err != nil {
			t.Fatal(err)
		}
		defer waiting.Body.Close()
	}
	if status, _, _ := get(t, base+"/live"); status != http.StatusServiceUnavailable {
		t.Errorf("one too many: %d", status)
	}
}

// TestNewsOfAlerts sees that another alert is news also where there is no journal.
func TestNewsOfAlerts(t *testing.T) {
	s := sources(t.TempDir())
	active, recent := s.Alerts()
	s.Alerts = func() ([]alerts.Status, []alerts.Event) { return active, recent }
	p, err := New(s)
	if err != nil {
		t.Fatal(err)
	}
	before := p.version()
	if again := p.version(); again != before {
		t.Errorf("%s and %s, and nothing new", before, again)
	}
	active[0].Subject = "another"
	if after := p.version(); after == before {
		t.Error("another alert is nothing new")
	}
}

// TestNewestAlertsFirst sees that the page keeps to the order of its source.
func TestNewestAlertsFirst(t *testing.T) {
	_, body, _ := get(t, serve(t, sources(t.TempDir()))+"/alerts")
	if repeated, firing := strings.Index(body, "repeated"), strings.Index(body, "firing"); repeated < 0 || firing < repeated {
		t.Errorf("repeated at %d, firing at %d:\n%s", repeated, firing, body)
	}
}
