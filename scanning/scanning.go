// Package scanning has clamd judge every message while it streams by.
package scanning
