// Package checkpoint saves what a trial has learned in a store that outlives the pod: best checkpoints, from which a
// model is promoted, and resume checkpoints, from which the next attempt resumes exactly.
//
// In the walk the loop calls it, and decides when to save. A report that names a checkpoint goes to outbox only after
// Save has returned. The operator never opens a checkpoint. The publishing Job does, through Load.
//
// A store is a directory. A writer (one pod) owns one directory below it and writes nowhere else:
//
//	<uri>/<run uid>/<trial>/<writer>/
//	    best-e0007/                manifest.json weights.safetensors reports.jsonl golden.u8
//	    resume-e0007-s00000123/    manifest.json weights.safetensors slots.safetensors reports.jsonl
//
// A directory that has its final name is complete: it is written under another name, synced and then renamed. The
// sha256 of its manifest, and the sha256 of each file in the manifest, show whether its files have changed since they
// were written.
package checkpoint
