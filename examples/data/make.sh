#!/bin/sh
# Makes the recordings of this folder. Only needed to make them anew: takes espeak-ng and sox.
#   sh make.sh [cutoff in Hz] [q]
set -eu
cd "$(dirname "$0")"
cutoff=${1:-2200} q=${2:-1.4}

# Speech, 22.05 kHz mono. The gain leaves the filter's resonance room below full scale.
espeak-ng -v en-gb -s 175 -w raw.wav "The quick brown fox jumps over the lazy dog."
sox -D raw.wav speech.wav gain -n -6 reverse silence 1 0.05 0.1% reverse
rm raw.wav

# The same through the filter that training has to find. -D: no dither, so that making it again gives the same bytes.
sox -D speech.wav speech-lowpass.wav lowpass "$cutoff" "${q}q"
