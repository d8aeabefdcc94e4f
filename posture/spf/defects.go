package spf

// Code names a kind of defect.
type Code string

// The defects. Those that make the record an error for all, or for some, receivers
// are Fatal.
const (
	NoRecord      Code = "none"
	Resembles     Code = "resembles"       // a text that was meant to be a record
	Several       Code = "several_records" // fatal
	Syntax        Code = "syntax"          // fatal
	Loop          Code = "loop"            // fatal
	TooMany       Code = "too_many_lookups"
	NearLimit     Code = "near_lookup_limit"
	TooManyVoids  Code = "too_many_voids"
	Void          Code = "void"
	TooManyMX     Code = "too_many_mx"
	IncludesNone  Code = "includes_none" // fatal: include: or redirect= to a domain without a record
	Everyone      Code = "everyone"      // +all, or as much
	NeutralAll    Code = "neutral_all"
	NoAll         Code = "no_all"
	Pointer       Code = "ptr"
	AfterAll      Code = "after_all"
	UselessModify Code = "redirect_beside_all"
	Wide          Code = "wide_network"
	Private       Code = "private_network"
	Joined        Code = "joined_strings"
	TooLong       Code = "too_long"
	BadExp        Code = "exp"
	UnknownMod    Code = "unknown_modifier"
	Mistaken      Code = "mistaken_modifier" // a mechanism with "=" in place of ":"
	NameMacro     Code = "macro_p"
	Macros        Code = "macros"
	Repeated      Code = "repeated"
)

// Defect is something that is not well with a record.
type Defect struct {
	Code   Code
	Domain string // whose record it is
	Term   string // "" if it is the whole record
	Text   string
}

// Fatal reports whether receivers get an error, at least some of the time.
func (d Defect) Fatal() bool {
	switch d.Code {
	case Several, Syntax, Loop, TooMany, TooManyVoids, TooManyMX, IncludesNone:
		return true
	}
	return false
}
