package main

import (
	"errors"
	"flag"
	"fmt"
	"strconv"
	"time"

	"pratique/configs"
	"pratique/telemetry/nagios"
	"pratique/watch/queue"
)

// checkQueuePatience is below the ten seconds that a check for Nagios may take.
const checkQueuePatience = 9 * time.Second

// checkQueue tells Nagios how long the MTA's queue is, and how old its oldest message.
func checkQueue(e *env, args []string) (int, error) {
	flags := e.flags("check-queue")
	path := flags.String("config", "", "configuration `file` (default "+defaultConfig+")")
	name := flags.String("queue", "", "look at this `queue`, as in watch.queue of the configuration")
	var size, age nagios.Thresholds
	thresholds(flags, "w", "messages: warning outside of this `range`, such as 500", &size.Warning, nagios.ParseRange)
	thresholds(flags, "c", "messages: critical outside of this `range`", &size.Critical, nagios.ParseRange)
	thresholds(flags, "W", "age of the oldest message: warning above this `time`, such as 4h, or outside of this range of seconds", &age.Warning, parseAge)
	thresholds(flags, "C", "age of the oldest message: critical above this `time`", &age.Critical, parseAge)
	if err := e.parse(flags, args, 0, 0); errors.Is(err, flag.ErrHelp) {
		return exitClean, err
	} else if err != nil {
		return unknownQueue(e, err)
	}
	sample, err := lookIntoQueue(e, *path, *name, checkQueuePatience)
	if err != nil {
		return unknownQueue(e, err)
	}
	result := judgeQueue(sample, size, age)
	return int(result.State), result.Write(e.stdout)
}

func unknownQueue(e *env, err error) (int, error) {
	return int(nagios.Unknown), nagios.Result{Service: "QUEUE", State: nagios.Unknown, Text: err.Error()}.Write(e.stdout)
}

// thresholds adds a flag that is a range.
func thresholds(flags *flag.FlagSet, name, usage string, into **nagios.Range, parse func(string) (*nagios.Range, error)) {
	flags.Func(name, usage, func(text string) (err error) {
		*into, err = parse(text)
		return err
	})
}

// parseAge reads "4h" as the range up to that, or a range of seconds.
func parseAge(text string) (*nagios.Range, error) {
	if d, err := configs.ParseDuration(text); err == nil {
		text = strconv.FormatFloat(d.Seconds(), 'f', -1, 64)
	}
	return nagios.ParseRange(text)
}

// judgeQueue holds a sample against thresholds.
func judgeQueue(s *queue.Sample, size, age nagios.Thresholds) nagios.Result {
	zero := 0.0
	oldest := s.Age().Seconds()
	r := nagios.Result{
		Service: "QUEUE",
		State:   size.State(float64(s.Messages)).Worse(age.State(oldest)),
		Text:    fmt.Sprintf("%s, oldest %s", count(s.Messages, "message"), shortAge(s.Age())),
		Data: []nagios.Datum{
			{Label: "messages", Value: float64(s.Messages), Thresholds: size, Min: &zero},
			{Label: "oldest", Value: oldest, Unit: nagios.Seconds, Thresholds: age, Min: &zero},
		},
	}
	for _, name := range queue.Queues() {
		r.Data = append(r.Data, nagios.Datum{Label: name, Value: float64(s.Of(name)), Min: &zero})
	}
	r.Data = append(r.Data, nagios.Datum{Label: "look", Value: s.Cost.Took.Seconds(), Unit: nagios.Seconds, Min: &zero})
	const named = 3
	for _, d := range s.Destinations[:min(len(s.Destinations), named)] {
		r.Details = append(r.Details, fmt.Sprintf("%s: %d waiting, %s", d.Domain, d.Recipients, whys(d.Reasons)))
	}
	return r
}
