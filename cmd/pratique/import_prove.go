package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"pratique/configs/opendkim"
	"pratique/configs/opendkim/proof"
)

// proven is what came of playing a corpus through OpenDKIM and through us.
type proven struct {
	Messages    int            `json:"messages"`
	Signed      int            `json:"signed"`       // by OpenDKIM
	OpenDKIMRun bool           `json:"opendkim_run"` // false: predicted
	Different   []different    `json:"different"`
	Wider       map[string]int `json:"wider"` // messages, by the field that only we cover, or seal
}

type different struct {
	File        string   `json:"file"`
	Client      string   `json:"client"`
	Login       string   `json:"login,omitempty"`
	Differences []string `json:"differences"`
}

// proveTranslation plays the messages of a folder through both.
func proveTranslation(e *env, t *opendkim.Translation, folder string) (result *proven, err error) {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	letters, err := proof.ReadCorpus(folder)
	if err != nil {
		return nil, err
	}
	daemon, err := proof.Start(ctx, t.Deciding())
	if err != nil && !errors.Is(err, proof.ErrNotInstalled) {
		return nil, err
	}
	if daemon != nil {
		defer func() { err = errors.Join(err, daemon.Close()) }()
	}
	prover, err := proof.New(t, daemon, e.now)
	if err != nil {
		return nil, err
	}
	result = &proven{Messages: len(letters), OpenDKIMRun: daemon != nil, Different: []different{}, Wider: map[string]int{}}
	for _, l := range letters {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		v, err := prover.Prove(ctx, l)
		if err != nil {
			return nil, err
		}
		result.add(v)
	}
	return result, nil
}

func (p *proven) add(v proof.Verdict) {
	if len(v.Theirs.Signatures) > 0 {
		p.Signed++
	}
	for _, field := range slices.Compact(v.Wider) {
		p.Wider[field]++
	}
	if len(v.Differences) > 0 {
		client := v.Letter.Client
		p.Different = append(p.Different, different{v.Letter.Name, client.Addr.String(), client.Login, v.Differences})
	}
}

// print prints each difference, and what they come to.
func (p *proven) print(w io.Writer) {
	for _, d := range p.Different {
		who := "client " + d.Client
		if d.Login != "" {
			who += ", login " + d.Login
		}
		for _, text := range d.Differences {
			fmt.Fprintf(w, "%s (%s): %s\n", d.File, who, text)
		}
	}
	how := "OpenDKIM itself was run"
	if !p.OpenDKIMRun {
		how = "OpenDKIM is not installed here: only our side was run, against what its tables and its source predict; what h= covers was not compared"
	}
	fmt.Fprintf(w, "%d messages, %d of them signed by OpenDKIM: %d differ (%s)\n", p.Messages, p.Signed, len(p.Different), how)
	if len(p.Wider) > 0 {
		fmt.Fprintf(w, "covered or sealed by Pratique only, which is no difference: %s\n", strings.Join(slices.Sorted(maps.Keys(p.Wider)), ", "))
	}
}
