package main

import (
	"strconv"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/duration"

	api "plumbline.dev/plumbline/api/v1alpha1"
)

// number shows d with the given digits, or what it holds if that is no number.
func number[D ~string](d D, digits int) string {
	v, err := strconv.ParseFloat(string(d), 64)
	if err != nil {
		return truncate(clean(string(d)), 8, "")
	}
	return strconv.FormatFloat(v, 'f', digits, 64)
}

// interval shows the 95 % interval of m, or "" where there is none.
func interval(m api.Metrics, dash string) string {
	if m.AUCPRLow == "" || m.AUCPRHigh == "" {
		return ""
	}
	return number(m.AUCPRLow, 2) + dash + number(m.AUCPRHigh, 2)
}

// age is what kubectl prints under AGE.
func age(t metav1.Time, now time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return human(now.Sub(t.Time))
}

func human(d time.Duration) string { return duration.HumanDuration(max(0, d)) }
