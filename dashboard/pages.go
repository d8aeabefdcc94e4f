package dashboard

import (
	"errors"
	"net/http"
	"time"

	"pratique/telemetry/alerts"
)

// known returns what to tell of an error: its own words if it is meant for people.
func (p *Page) known(err error) *problem {
	var known *problem
	if errors.As(err, &known) {
		return known
	}
	p.s.Log.Error("dashboard: find out what a page shows", "error", err)
	return &problem{http.StatusInternalServerError, "This could not be found out: " + err.Error()}
}

type alertsData struct {
	Active []alerts.Status `json:"active"`
	Recent []alerts.Event  `json:"recent"` // the newest first
}

func (p *Page) alerts(*http.Request) (any, error) {
	d := &alertsData{Active: []alerts.Status{}, Recent: []alerts.Event{}}
	if p.s.Alerts != nil {
		active, recent := p.s.Alerts()
		d.Active = append(d.Active, active...)
		d.Recent = append(d.Recent, recent...)
	}
	return d, nil
}

// absent is the answer to a page whose source is not there.
func absent(what string) error {
	return &problem{http.StatusNotFound, "This daemon does not know of " + what + "."}
}

type limitsData struct {
	Limits []Limit `json:"limits"`
}

func (p *Page) limits(*http.Request) (any, error) {
	if p.s.Limits == nil {
		return nil, absent("limits")
	}
	return &limitsData{p.s.Limits()}, nil
}

func (p *Page) posture(*http.Request) (any, error) {
	if p.s.Posture == nil {
		return nil, absent("audits")
	}
	d := p.s.Posture()
	return &d, nil
}

type queueData struct {
	Span     span      `json:"-"`
	Spans    []span    `json:"-"`
	Samples  []Queue   `json:"samples"`
	Last     *Queue    `json:"-"`
	Chart    *lines    `json:"-"`
	Returned *Returned `json:"returned,omitempty"`
	Since    time.Time `json:"since"`
}

func (p *Page) queue(r *http.Request) (any, error) {
	if p.s.Queue == nil && p.s.Returned == nil {
		return nil, absent("the queue")
	}
	chosen, err := chosenSpan(r)
	if err != nil {
		return nil, err
	}
	d := &queueData{Span: chosen, Spans: spans}
	var until time.Time
	d.Since, until = chosen.window(p.s.Now())
	if p.s.Queue != nil {
		d.Samples = p.s.Queue(d.Since, until)
	}
	if n := len(d.Samples); n > 0 {
		d.Last = &d.Samples[n-1]
		d.Chart = drawQueue(d.Samples, d.Since, until, p.s.Zone, chosen.Step)
	}
	if p.s.Returned != nil {
		returned, err := p.s.Returned(r.Context(), d.Since, until)
		if err != nil {
			return nil, err
		}
		d.Returned = &returned
	}
	return d, nil
}
