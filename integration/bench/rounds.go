package main

import (
	"context"
	"fmt"
	"log/slog"
)

// rounds measures every subject under every load, one subject after the other in
// each round, so that what the machine does meanwhile befalls all alike.
func (g *generator) rounds(ctx context.Context, log *slog.Logger, n int, subjects []*running, points []point) ([]row, error) {
	var rows []row
	for _, p := range points {
		of := make([]row, len(subjects))
		for i, r := range subjects {
			of[i] = row{Subject: r.name, Point: p}
		}
		for range n {
			for i, r := range subjects {
				s, err := g.measure(ctx, r, p)
				if err != nil {
					return rows, fmt.Errorf("%s, %s, %d connections: %w", r.name, sizeName(p.Size), p.Connections, err)
				}
				log.Info("measured", "subject", r.name, "size", sizeName(p.Size), "connections", p.Connections,
					"rate", fmt.Sprintf("%.1f", rate(s)), "cpu_ms", fmt.Sprintf("%.2f", cost(s)), "load_ms", fmt.Sprintf("%.2f", loadCost(s)), "wait", s.Median)
				of[i].Samples = append(of[i].Samples, s)
			}
		}
		rows = append(rows, of...)
	}
	return rows, nil
}

// points is every size with every number of connections.
func points(sizes, connections []int) []point {
	var all []point
	for _, size := range sizes {
		for _, n := range connections {
			all = append(all, point{size, n})
		}
	}
	return all
}

// sizeName writes a size in the largest unit that it is a multiple of.
func sizeName(size int) string {
	switch {
	case size%(1<<20) == 0:
		return fmt.Sprintf("%d MiB", size>>20)
	case size%(1<<10) == 0:
		return fmt.Sprintf("%d KiB", size>>10)
	}
	return fmt.Sprintf("%d B", size)
}
