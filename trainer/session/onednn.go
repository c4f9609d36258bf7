package session

import (
	"os"
	"syscall"
)

// TensorFlow turns its oneDNN kernels on by itself only where the CPU has AVX512-VNNI or better. With AVX2 alone they still make
// a training step three times as fast, so they are asked for. TensorFlow reads the variable while its library is being
// loaded, before any Go code runs: the program has to start once more to be heard, which costs 0.4 s.
// A value that the user has set stays.
func init() {
	const name = "TF_ENABLE_ONEDNN_OPTS"
	if _, set := os.LookupEnv(name); set {
		return
	}
	os.Setenv(name, "1")
	if _, set := os.LookupEnv("TF_CPP_MIN_LOG_LEVEL"); !set {
		os.Setenv("TF_CPP_MIN_LOG_LEVEL", "2") // start-up chatter; errors stay
	}
	// Exec returns only if it was refused. Then all goes on, slower.
	_ = syscall.Exec("/proc/self/exe", os.Args, os.Environ())
}
