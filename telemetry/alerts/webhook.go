package alerts

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Webhook is the [alerts.webhook] table.
type Webhook struct {
	URL     string        `toml:"url"`    // http or https; "": none
	Secret  string        `toml:"secret"` // signs the body; "": it is not signed
	Timeout time.Duration `toml:"timeout"`
}

// The header fields of a request beside the usual ones.
const (
	headerID        = "X-Pratique-Delivery"  // the notification's id: the same for every attempt
	headerTime      = "X-Pratique-Timestamp" // Unix seconds of the attempt
	headerSignature = "X-Pratique-Signature" // "sha256=" and Sign in hex
)

// Sign is what a webhook's receiver computes to see that a request is ours, and not
// an old one: HMAC-SHA256 with the secret over the timestamp, a full stop and the
// body (RFC 2104). It compares both in constant time, and the timestamp with its clock.
func Sign(secret, timestamp string, body []byte) []byte {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(timestamp + "."))
	mac.Write(body)
	return mac.Sum(nil)
}

// maxAnswer bounds what is read of an answer, in octets.
const maxAnswer = 64 << 10

// post returns what delivers to a webhook. An answer of 2xx is a success. 408, 429,
// 5xx and everything below HTTP are tried again; other answers are permanent, so is
// a redirection: the request would arrive somewhere else without its body.
func post(w Webhook, env Env) func(context.Context, Notification) error {
	client := &http.Client{
		Timeout:       w.Timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return func(ctx context.Context, n Notification) error {
		request, err := w.request(ctx, n, env.Now())
		if err != nil {
			return &permanent{err}
		}
		response, err := client.Do(request)
		var bare *url.Error
		if errors.As(err, &bare) { // without the URL, which is a secret with many receivers
			return fmt.Errorf("post to the webhook: %w", bare.Err)
		}
		if err != nil {
			return err
		}
		defer response.Body.Close()
		_, _ = io.CopyN(io.Discard, response.Body, maxAnswer) // so that the connection can be used again
		return judge(response)
	}
}

func (w Webhook) request(ctx context.Context, n Notification, now time.Time) (*http.Request, error) {
	body, err := json.Marshal(n)
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, w.URL, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	timestamp := strconv.FormatInt(now.Unix(), 10)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "pratique")
	r.Header.Set(headerID, n.ID)
	r.Header.Set(headerTime, timestamp)
	if w.Secret != "" {
		r.Header.Set(headerSignature, "sha256="+hex.EncodeToString(Sign(w.Secret, timestamp, body)))
	}
	return r, nil
}

func judge(r *http.Response) error {
	if r.StatusCode/100 == 2 {
		return nil
	}
	err := errors.New("the webhook answered " + r.Status)
	if r.StatusCode/100 == 3 {
		err = fmt.Errorf("%w to %q, which is not followed: configure that URL", err, r.Header.Get("Location"))
	}
	switch r.StatusCode {
	case http.StatusRequestTimeout, http.StatusTooManyRequests:
	default:
		if r.StatusCode/100 != 5 {
			return &permanent{err}
		}
	}
	if seconds, convErr := strconv.Atoi(r.Header.Get("Retry-After")); convErr == nil && seconds > 0 {
		return &retryAfter{err, time.Duration(min(seconds, 3600)) * time.Second}
	}
	return err
}
