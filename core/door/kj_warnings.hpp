// SPDX-License-Identifier: Apache-2.0
// Include first in a file that derives from kj's classes or makes promises of `result`s.
#pragma once

// kj deletes through disposers that know the real type, so its interfaces have no virtual
// destructors.
#pragma GCC diagnostic ignored "-Wnon-virtual-dtor"
#ifndef __clang__
// g++ 12 does not see that kj::Maybe guards its union, once it holds a std::variant.
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
