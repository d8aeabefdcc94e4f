package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of times in /proc/PID/stat: USER_HZ is 100 on every Linux in use.
const tick = 10 * time.Millisecond

// Fields of /proc/PID/stat behind the command name, from 0 (proc_pid_stat(5) counts state as 3).
const (
	statParent         = 1
	statUser           = 11
	statSystem         = 12
	statChildrenUser   = 13 // of those that have ended and were waited for
	statChildrenSystem = 14
)

// family returns a process and all that descend from it, or none for 0.
func family(root int) ([]int, error) {
	if root == 0 {
		return nil, nil
	}
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil, err
	}
	children := map[int][]int{}
	for _, dir := range dirs {
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err != nil {
			return nil, err
		}
		fields, err := readStat(pid)
		if gone(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		parent, err := strconv.Atoi(fields[statParent])
		if err != nil {
			return nil, err
		}
		children[parent] = append(children[parent], pid)
	}
	all := []int{root}
	for i := 0; i < len(all); i++ {
		all = append(all, children[all[i]]...)
	}
	return all, nil
}

// gone reports that a process ended while it was looked at.
func gone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || strings.HasSuffix(fmt.Sprint(err), "no such process")
}

// readStat returns the fields of /proc/PID/stat behind the command name, which may hold anything.
func readStat(pid int) ([]string, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil, err
	}
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if len(fields) <= statChildrenSystem {
		return nil, fmt.Errorf("/proc/%d/stat: %q", pid, text)
	}
	return fields, nil
}

// cpuTime is the time that a family has spent on a CPU, in user and in kernel mode. A
// child that has ended since it was found has left its time to its parent: a daemon may
// run other programs now and then.
func cpuTime(pids []int) (time.Duration, error) {
	var ticks int64
	for n, pid := range pids {
		fields, err := readStat(pid)
		if n > 0 && gone(err) {
			continue
		}
		if err != nil {
			return 0, err
		}
		for _, i := range []int{statUser, statSystem, statChildrenUser, statChildrenSystem} {
			n, err := strconv.ParseInt(fields[i], 10, 64)
			if err != nil {
				return 0, fmt.Errorf("/proc/%d/stat: %w", pid, err)
			}
			ticks += n
		}
	}
	return time.Duration(ticks) * tick, nil
}

// resetPeaks has the kernel forget the processes' peak memory (proc_pid_clear_refs(5)).
func resetPeaks(pids []int) error {
	for n, pid := range pids {
		err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0)
		if err != nil && !(n > 0 && gone(err)) {
			return err
		}
	}
	return nil
}

// memory is what processes take together, in octets. Pages that they share are
// counted once (proportional set size), because a forked worker costs only what
// it has of its own.
type memory struct {
	Now  int64 `json:"now"`
	Peak int64 `json:"peak"` // since resetPeaks: Now, and what the resident set had more at its peak
}

func readMemory(pids []int) (memory, error) {
	var m memory
	for n, pid := range pids {
		rollup, err := readKilobytes(fmt.Sprintf("/proc/%d/smaps_rollup", pid), "Pss")
		var status map[string]int64
		if err == nil {
			status, err = readKilobytes(fmt.Sprintf("/proc/%d/status", pid), "VmHWM", "VmRSS")
		}
		if n > 0 && gone(err) {
			continue
		}
		if err != nil {
			return m, err
		}
		m.Now += rollup["Pss"]
		m.Peak += rollup["Pss"] + max(0, status["VmHWM"]-status["VmRSS"])
	}
	return m, nil
}

// readKilobytes reads lines such as "VmRSS:  1732 kB" and returns octets.
func readKilobytes(file string, keys ...string) (map[string]int64, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	values := map[string]int64{}
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) != 3 || fields[2] != "kB" {
			continue
		}
		n, err := strconv.ParseInt(fields[1], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		values[strings.TrimSuffix(fields[0], ":")] = n << 10
	}
	for _, key := range keys {
		if _, ok := values[key]; !ok {
			return nil, fmt.Errorf("%s has no %s", file, key)
		}
	}
	return values, nil
}
