// Package milter is the edge to the MTA: listeners, connections, sessions and replies of the milter protocol.
package milter
