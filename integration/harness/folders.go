package harness

import "path/filepath"

// QueueFolder returns Postfix's queue_directory.
func (p *Postfix) QueueFolder() string { return filepath.Join(p.dir, "queue") }

// QueueFolder returns where sendmail keeps its queue.
func (s *Sendmail) QueueFolder() string { return filepath.Join(s.dir, "mqueue") }
