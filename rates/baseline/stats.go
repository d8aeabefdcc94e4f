package baseline

import (
	"math"
	"slices"
)

// below is the probability that a Poisson count with this mean is n or less.
func below(n, mean float64) float64 {
	if mean <= 0 {
		return 1
	}
	return 1 - gammaP(math.Floor(n)+1, mean)
}

// above is the probability that a Poisson count with this mean is n or more.
func above(n, mean float64) float64 {
	if n <= 0 {
		return 1
	}
	return gammaP(math.Ceil(n), mean)
}

// gammaP is the regularized lower incomplete gamma function P(a, x) (Abramowitz and
// Stegun 6.5.1): by its series where that converges fast, else by the continued
// fraction of its complement, evaluated as Lentz does.
func gammaP(a, x float64) float64 {
	if x <= 0 || a <= 0 {
		return 0
	}
	lg, _ := math.Lgamma(a)
	front := math.Exp(a*math.Log(x) - x - lg)
	const small, most = 1e-300, 10_000
	if x < a+1 {
		term := 1 / a
		sum := term
		for i := 1; i < most && term > sum*1e-12; i++ {
			term *= x / (a + float64(i))
			sum += term
		}
		return min(1, front*sum)
	}
	b := x + 1 - a
	c, d := 1/small, 1/b
	h := d
	for i := 1.0; i < most; i++ {
		an := -i * (i - a)
		b += 2
		d = 1 / nonzero(an*d+b)
		c = nonzero(b + an/c)
		h *= d * c
		if math.Abs(d*c-1) < 1e-12 {
			break
		}
	}
	return max(0, 1-front*h)
}

func nonzero(x float64) float64 {
	if math.Abs(x) < 1e-300 {
		return 1e-300
	}
	return x
}

// regularity is the probability that Poisson counts of the same mean would be as
// alike as these are: small for what a timer sends, not for what people do. The
// sample variance over the mean follows a chi-squared distribution; where all are
// equal that says nothing, and the probability of just that is taken.
func regularity(samples []float64) float64 {
	k := float64(len(samples))
	mean := average(samples)
	if k < 2 || mean <= 0 {
		return 1
	}
	var squares float64
	for _, x := range samples {
		squares += (x - mean) * (x - mean)
	}
	if squares == 0 {
		lg, _ := math.Lgamma(mean + 1)
		return math.Exp((k - 1) * (mean*math.Log(mean) - mean - lg))
	}
	return gammaP((k-1)/2, squares/mean/2)
}

func average(samples []float64) float64 {
	var sum float64
	for _, x := range samples {
		sum += x
	}
	return sum / float64(len(samples))
}

// Extremes are left out of so many samples in a row: one bad day, or two of twenty,
// is not usual.
const (
	trimFrom  = 5  // samples from which on the first extreme is left out
	trimEvery = 10 // and one more for each of these
)

func trimmed(k int) int {
	if k < trimFrom {
		return 0
	}
	return max(1, k/trimEvery)
}

// lowest and highest are the least and the most of sorted samples that are usual.
func lowest(sorted []float64) float64  { return sorted[trimmed(len(sorted))] }
func highest(sorted []float64) float64 { return sorted[len(sorted)-1-trimmed(len(sorted))] }

func median(sorted []float64) float64 {
	k := len(sorted)
	if k%2 == 1 {
		return sorted[k/2]
	}
	return (sorted[k/2-1] + sorted[k/2]) / 2
}

// distance is how many standard deviations n is from the median of sorted samples,
// on a logarithmic scale, on which traffic varies by factors. The deviation is by the
// median of the absolute ones (times 1.4826, which makes it that of a normal
// distribution), and at least that of a Poisson count.
func distance(n float64, sorted []float64) float64 {
	m := median(sorted)
	return (math.Log1p(n) - math.Log1p(m)) / max(spread(deviations(nil, sorted)), 1/math.Sqrt(1+m))
}

// deviations appends how far each of sorted samples is from their median, on a
// logarithmic scale.
func deviations(all, sorted []float64) []float64 {
	m := math.Log1p(median(sorted))
	for _, x := range sorted {
		all = append(all, math.Abs(math.Log1p(x)-m))
	}
	return all
}

// spread is the standard deviation that goes with absolute deviations.
func spread(deviations []float64) float64 {
	slices.Sort(deviations)
	return 1.4826 * median(deviations)
}
