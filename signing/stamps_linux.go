package signing

import (
	"io/fs"
	"syscall"
)

// inodeOf returns the number of a file's inode, and when that was changed, in
// nanoseconds of Unix time.
func inodeOf(info fs.FileInfo) (inode uint64, changed int64) {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, 0
	}
	return stat.Ino, stat.Ctim.Nano()
}
