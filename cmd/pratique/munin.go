package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	"pratique/telemetry/munin"
)

// muninPatience is below that of munin-node, which gives a plugin 10 seconds or more.
const muninPatience = 5 * time.Second

// drawMunin is a plugin of munin-node: "config" prints what the graphs are like, no argument
// their values, "autoconf" whether there is anything to draw.
func drawMunin(e *env, args []string) (int, error) {
	f := e.flags("munin")
	path := f.String("config", os.Getenv("config"), "configuration `file` (default: $config, or "+defaultConfig+")")
	url := f.String("url", os.Getenv("url"), "`address` of the metrics (default: $url, or that of the configuration)")
	if err := e.parse(f, args, 0, 1); err != nil {
		return 0, err
	}
	figures, err := askFigures(*path, *url)
	switch f.Arg(0) {
	case "autoconf":
		return exitClean, e.autoconf(err)
	case "", "fetch":
		if err != nil {
			return 0, err
		}
		return exitClean, figures.WriteValues(e.stdout)
	case "config":
		if err != nil {
			return 0, err
		}
		return exitClean, figures.WriteConfig(e.stdout)
	}
	return 0, hint(fmt.Errorf("pratique munin: unexpected argument %q", f.Arg(0)), "munin-node runs it with config, autoconf or nothing")
}

// autoconf tells munin-node-configure whether to use the plugin; "no" is no failure.
func (e *env) autoconf(err error) error {
	answer := "yes"
	if err != nil {
		answer = fmt.Sprintf("no (%v)", err)
	}
	_, err = fmt.Fprintln(e.stdout, answer)
	return err
}

// askFigures asks the daemon for its metrics.
func askFigures(path, url string) (munin.Figures, error) {
	token := os.Getenv("token")
	if url == "" {
		cfg, err := loadConfig(path)
		if err != nil {
			return nil, hint(err, "env.config or env.url in the configuration of munin-node say where to look")
		}
		if cfg.HTTP == "" {
			return nil, errors.New("the daemon serves no metrics: the key http is empty")
		}
		url, token = "http://"+reachable(cfg.HTTP)+"/metrics", cfg.Dashboard.Token
	}
	ctx, cancel := context.WithTimeout(context.Background(), muninPatience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, hint(err, "does the daemon run, with this address in the key http?")
	}
	defer answer.Body.Close()
	switch answer.StatusCode {
	case http.StatusOK:
	case http.StatusUnauthorized:
		return nil, hint(fmt.Errorf("ask %s: %s", url, answer.Status), "set token under [dashboard]; with env.url, munin-node hands over env.token")
	default:
		return nil, fmt.Errorf("ask %s: %s", url, answer.Status)
	}
	return munin.Read(answer.Body)
}
