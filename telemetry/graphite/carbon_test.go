package graphite

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// The real carbon takes what is sent, and keeps it.
func TestRealCarbon(t *testing.T) {
	program, err := exec.LookPath("carbon-cache")
	if err != nil {
		if os.Getenv("PRATIQUE_REQUIRE_REAL") == "1" {
			t.Fatal(err)
		}
		t.Skip("carbon-cache is not installed")
	}
	dir, port := t.TempDir(), freePort(t)
	for name, text := range map[string]string{
		"carbon.conf": fmt.Sprintf(`[cache]
STORAGE_DIR = %[1]s/
LOCAL_DATA_DIR = %[1]s/whisper/
CONF_DIR = %[1]s/
LOG_DIR = %[1]s/log/
PID_DIR = %[1]s/
MAX_CREATES_PER_MINUTE = inf
LINE_RECEIVER_INTERFACE = 127.0.0.1
LINE_RECEIVER_PORT = %[2]d
PICKLE_RECEIVER_INTERFACE = 127.0.0.1
PICKLE_RECEIVER_PORT = 0
CACHE_QUERY_INTERFACE = 127.0.0.1
CACHE_QUERY_PORT = 0
`, dir, port),
		"storage-schemas.conf": "[all]\npattern = .*\nretentions = 60s:1d\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var log bytes.Buffer
	cmd := exec.Command(program, "--config="+dir+"/carbon.conf", "--nodaemon", "start")
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		cmd.Process.Kill()
		<-ended
		if t.Failed() {
			t.Logf("carbon: %s", &log)
		}
	})
	p := newPusher(fmt.Sprintf("127.0.0.1:%d", port))
	p.Now = time.Now
	eventually(t, "carbon takes figures", func() bool { return p.Push(t.Context()) == nil })
	for _, file := range []string{"messages_total/none/accepted", "messages_total/none/refused", "took_seconds/sum", "process_bytes",
		"findings_total/recipients_per_client_in_1h__a_b_x_1_2"} {
		file = filepath.Join(dir, "whisper/mail/odd_host", file+".wsp")
		eventually(t, file+" is there", func() bool { _, err := os.Stat(file); return err == nil })
	}
}

func freePort(t *testing.T) int {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}
