package dashboard

import (
	"context"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// functions are what the templates can call.
func (p *Page) functions() template.FuncMap {
	return template.FuncMap{
		"count":  count,
		"octets": octets,
		"took":   took,
		"when":   func(t time.Time) string { return t.In(p.s.Zone).Format("2006-01-02 15:04:05") },
		"stamp":  func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
		"ago":    func(t time.Time) string { return ago(p.s.Now().Sub(t)) },
		"range":  withRange,
		"percent": func(of, all int64) string {
			if all == 0 {
				return "0"
			}
			return strconv.FormatFloat(100*float64(of)/float64(all), 'f', 2, 64)
		},
		"join": strings.Join,
		"last": func(i, n int) bool { return i == n-1 },
	}
}

// count writes a number with spaces between thousands (ISO 80000-1).
func count(n int64) string {
	digits := strconv.FormatInt(n, 10)
	var b strings.Builder
	for i, c := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 && digits[i-1] != '-' {
			b.WriteRune('\u202f')
		}
		b.WriteRune(c)
	}
	return b.String()
}

// octets writes a size for people, in powers of 1000.
func octets(n int64) string {
	value, units := float64(n), []string{"B", "kB", "MB", "GB", "TB", "PB", "EB"}
	for value >= 999.95 && len(units) > 1 {
		value, units = value/1000, units[1:]
	}
	if units[0] == "B" {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %s", value, units[0])
}

// took writes a time that something took.
func took(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return d.Round(time.Microsecond).String()
	case d < time.Second:
		return d.Round(10 * time.Microsecond).String()
	}
	return d.Round(10 * time.Millisecond).String()
}

// ago writes how long something is past.
func ago(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", max(0, int(d.Seconds())))
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", int(d.Hours()))
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}

// answerJSON answers a question for a program.
func (p *Page) answerJSON(w http.ResponseWriter, r *http.Request, q question) {
	ctx, cancel := context.WithTimeout(r.Context(), patience)
	defer cancel()
	code := http.StatusOK
	data, err := q.find(r.WithContext(ctx))
	if err != nil {
		known := p.known(err)
		code, data = known.Code, map[string]string{"error": known.Text}
	}
	text, err := json.MarshalIndent(data, "", "  ")
	if err != nil {
		p.s.Log.Error("dashboard: make an answer", "error", err)
		http.Error(w, "the answer could not be made; the log says why", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = w.Write(append(text, '\n')) // the client went away: nothing to do about it
}
