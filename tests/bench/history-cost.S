# SPDX-License-Identifier: GPL-2.0-or-later
#
# A firmware that is a whole guest: it writes to one page after the other, as
# fast as it can, and counts what it wrote.  HOT_AT, HOT_END and COUNT_AT are
# given by tests/bench/history-cost.

        .code16
start:  cli
        in      $0x92, %al              # the A20 gate
        or      $2, %al
        out     %al, $0x92
        lgdtl   %cs:gdt_pointer
        mov     %cr0, %eax
        or      $1, %eax
        mov     %eax, %cr0
        ljmpl   $8, $0xf0000 + flat

        .code32
flat:   mov     $16, %eax
        mov     %eax, %ds
        xor     %ecx, %ecx
sweep:  dec     %edx
        jns     1f
        mov     $63, %edx
        mov     %cr4, %eax              # flush the TLB, as any guest does now and
        xor     $0x80, %eax             # then: TCG fits its own to the guest then
        mov     %eax, %cr4
1:      mov     $HOT_AT, %ebx
page:   incl    (%ebx)
        inc     %ecx
        mov     %ecx, COUNT_AT
        add     $4096, %ebx
        cmp     $HOT_END, %ebx
        jb      page
        jmp     sweep

        .balign 8
gdt:    .quad   0
        .quad   0x00cf9b000000ffff      # code and data, flat; "accessed" is set, this is read-only
        .quad   0x00cf93000000ffff
gdt_pointer:
        .word   . - gdt - 1
        .long   0xf0000 + gdt

        .org    0xfff0                  # where the processor begins
        .code16
        ljmp    $0xf000, $start
        .org    0x10000
