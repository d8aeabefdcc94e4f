package posture

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"pratique/state"
)

// keptFile has the last report, in the state folder.
const keptFile = "posture.json"

// Keep writes a report into the state folder, in place of the last one.
func Keep(stateDir string, r Report) error {
	data, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("keep the report of the audit: %w", err)
	}
	if err := state.Replace(filepath.Join(stateDir, keptFile), data, state.FileMode); err != nil {
		return fmt.Errorf("keep the report of the audit: %w", err)
	}
	return nil
}

// Kept reads the last report from the state folder; ok is false if there is none.
func Kept(stateDir string) (r Report, ok bool, err error) {
	data, err := os.ReadFile(filepath.Join(stateDir, keptFile))
	if errors.Is(err, fs.ErrNotExist) {
		return r, false, nil
	}
	if err == nil {
		err = json.Unmarshal(data, &r)
	}
	if err != nil {
		return Report{}, false, fmt.Errorf("read the report of the last audit: %w", err)
	}
	return r, true, nil
}
