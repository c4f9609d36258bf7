// Package safetensors reads and writes weights in the format of https://huggingface.co/docs/safetensors: 8 bytes with
// the header's length N, little-endian; N bytes of JSON that begin with '{'; then the tensors' bytes, without gaps.
// PyTorch, timm and others read the format. Unlike a pickle, a file holds no code that a reader would run.
//
// In the walk it is below checkpoint, which stores the weights of a trial, and below pretrained, which reads the
// weights of others. Files come from anywhere, so the package trusts nothing in them: it refuses a header that does not
// agree with the file's size before it allocates memory for the tensors.
package safetensors
