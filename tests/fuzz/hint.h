/*
 * One fuzz input, run: shared by libFuzzer and by the replay of the corpus.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef FUZZ_HINT_H
#define FUZZ_HINT_H

#include <stddef.h>
#include <stdint.h>

/*
 * The bytes are what the guest sends, so that a transcript is an input.  A
 * byte 0x80 to 0x8f does something else instead, some with the byte after it:
 * the clock moves, the port opens or closes, the host acts.  Aborts when
 * something that has to hold does not.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
