// Package safetensors reads and writes weights in the format of https://huggingface.co/docs/safetensors: 8 bytes with the header's
// length N, little-endian; N bytes of JSON that begin with '{'; then the tensors' bytes, without gaps. PyTorch, timm and others
// read it; no reader runs code from it.
//
// In the walk it stands below checkpoint, which keeps what a trial has learned, and pretrained, which reads what others have. Files
// come from anywhere, so nothing in them is believed: a header that lies is refused before memory is taken for what it claims.
package safetensors
