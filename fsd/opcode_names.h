#ifndef FSD_OPCODE_NAMES_H
#define FSD_OPCODE_NAMES_H

// What a kind of the kernel's requests is called, by its opcode; "other" for those that have no name here, and for 0.
const char *opcode_name(unsigned opcode);

#endif
