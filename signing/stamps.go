package signing

import (
	"io/fs"
	"os"
	"slices"
)

// Stamps tell how files look from outside, by their paths. Files that changed, or
// were replaced or chmodded, or came or went, look different.
type Stamps map[string]Stamp

// Stamp is how one file looks.
type Stamp struct {
	inode    uint64
	size     int64
	modified int64 // Unix time, in nanoseconds
	changed  int64 // the same of its inode: owner, mode, links
	mode     fs.FileMode
	problem  string // why it can't be looked at
}

// stampOf looks at a file, behind symbolic links: where a link leads to says
// which file it is, and a folder that is swapped changes what is found in it.
func stampOf(file string) Stamp {
	info, err := os.Stat(file)
	if err != nil {
		return Stamp{problem: cause(err).Error()}
	}
	return stampFrom(info)
}

func stampFrom(info fs.FileInfo) Stamp {
	s := Stamp{size: info.Size(), modified: info.ModTime().UnixNano(), mode: info.Mode()}
	s.inode, s.changed = inodeOf(info)
	return s
}

// Again looks at the same files again.
func (s Stamps) Again() Stamps {
	again := make(Stamps, len(s))
	for file := range s {
		again[file] = stampOf(file)
	}
	return again
}

// Changed returns the files that look different now, sorted.
func (s Stamps) Changed(now Stamps) []string {
	var files []string
	for file, stamp := range s {
		if now[file] != stamp {
			files = append(files, file)
		}
	}
	slices.Sort(files)
	return files
}

// Stamps returns how the table and the key files looked when they were read.
func (s *Signer) Stamps() Stamps {
	all := make(Stamps, len(s.table.keys.held)+1)
	for file, k := range s.table.keys.held {
		all[file] = k.stamp
	}
	if s.opts.Table != "" {
		all[s.opts.Table] = s.table.stamp
	}
	return all
}
