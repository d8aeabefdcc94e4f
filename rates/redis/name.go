package redis

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// NameFile is where the name of an instance is kept in its state folder.
const NameFile = "rates.instance"

var nameForm = regexp.MustCompile(`^[0-9a-f]{16}$`)

// Name returns the name of the instance that has this state folder, and makes it one
// if it has none. With stateDir "" it is another one each time.
func Name(stateDir string) (string, error) {
	if stateDir == "" {
		return randomName()
	}
	path := filepath.Join(stateDir, NameFile)
	data, err := os.ReadFile(path)
	if name := strings.TrimSpace(string(data)); err == nil && nameForm.MatchString(name) {
		return name, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("read the name of this instance: %w", err)
	}
	name, err := randomName()
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(path, []byte(name+"\n"), 0o640); err != nil {
		return "", fmt.Errorf("keep the name of this instance: %w", err)
	}
	return name, nil
}
